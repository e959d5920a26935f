// Walks Oracle's two load balancer services: one JSON object for each step, on stdout.
//
// Arguments: the URL of prober, tenancy, user, fingerprint, and a file with the private key.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"
)

func check(step string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
		os.Exit(1)
	}
}

func tell(step string, found any, err error) {
	check(step, err)
	text, err := json.Marshal(map[string]any{"step": step, "found": found})
	check(step, err)
	fmt.Println(string(text))
}

func main() {
	url, tenancy, user, fingerprint := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	key, err := os.ReadFile(os.Args[5])
	check("key", err)
	provider := common.NewRawConfigurationProvider(
		tenancy, user, "us-ashburn-1", fingerprint, string(key), nil)
	walkLoadBalancers(url, provider)
	walkNetworkLoadBalancers(url, provider)
}

func walkLoadBalancers(url string, provider common.ConfigurationProvider) {
	ctx, text, number, yes, no := context.Background(), common.String, common.Int, common.Bool(true), common.Bool(false)
	client, err := loadbalancer.NewLoadBalancerClientWithConfigurationProvider(provider)
	check("client", err)
	client.Host = url
	made, err := client.CreateLoadBalancer(ctx, loadbalancer.CreateLoadBalancerRequest{
		CreateLoadBalancerDetails: loadbalancer.CreateLoadBalancerDetails{
			CompartmentId: text("c1"), DisplayName: text("go-lb"),
			ShapeName: text("flexible"), SubnetIds: []string{"s"},
		},
	})
	check("create load balancer", err)
	work, err := client.GetWorkRequest(ctx, loadbalancer.GetWorkRequestRequest{WorkRequestId: made.OpcWorkRequestId})
	tell("create load balancer", work.WorkRequest, err)
	id := work.LoadBalancerId
	_, err = client.CreateBackendSet(ctx, loadbalancer.CreateBackendSetRequest{
		LoadBalancerId: id,
		CreateBackendSetDetails: loadbalancer.CreateBackendSetDetails{
			Name: text("go-set"), Policy: text("LEAST_CONNECTIONS"),
			HealthChecker: &loadbalancer.HealthCheckerDetails{
				Protocol: text("HTTP"), UrlPath: text("/x"), Port: number(80), ReturnCode: number(204),
			},
		},
	})
	check("create set", err)
	_, err = client.CreateBackend(ctx, loadbalancer.CreateBackendRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"),
		CreateBackendDetails: loadbalancer.CreateBackendDetails{
			IpAddress: text("127.0.0.1"), Port: number(9), Weight: number(3),
		},
	})
	check("create backend", err)
	_, err = client.UpdateBackend(ctx, loadbalancer.UpdateBackendRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"), BackendName: text("127.0.0.1:9"),
		UpdateBackendDetails: loadbalancer.UpdateBackendDetails{
			Weight: number(4), Backup: no, Drain: yes, Offline: no,
		},
	})
	check("drain backend", err)
	set, err := client.GetBackendSet(ctx, loadbalancer.GetBackendSetRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"),
	})
	tell("show set", set.BackendSet, err)
	_, err = client.UpdateBackendSet(ctx, loadbalancer.UpdateBackendSetRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"), IfMatch: nil,
		UpdateBackendSetDetails: loadbalancer.UpdateBackendSetDetails{
			Policy: text("ROUND_ROBIN"), Backends: []loadbalancer.BackendDetails{},
			HealthChecker: &loadbalancer.HealthCheckerDetails{
				Protocol: text("HTTP"), UrlPath: text("/y"), Port: number(80), ReturnCode: number(200),
				Retries: number(5), TimeoutInMillis: number(2000), IntervalInMillis: number(9000),
				ResponseBodyRegex: text(""),
			},
		},
	})
	check("change set", err)
	changed, err := client.GetBackendSet(ctx, loadbalancer.GetBackendSetRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"),
	})
	tell("changed set", changed.BackendSet, err)
	_, err = client.CreateListener(ctx, loadbalancer.CreateListenerRequest{
		LoadBalancerId: id,
		CreateListenerDetails: loadbalancer.CreateListenerDetails{
			Name: text("l"), DefaultBackendSetName: text("go-set"), Port: number(80), Protocol: text("HTTP"),
		},
	})
	failure, isService := common.IsServiceError(err)
	if !isService {
		check("create listener", fmt.Errorf("expected a refusal, got %v", err))
	}
	tell("create listener", []any{failure.GetHTTPStatusCode(), failure.GetCode()}, nil)
	_, err = client.DeleteBackendSet(ctx, loadbalancer.DeleteBackendSetRequest{
		LoadBalancerId: id, BackendSetName: text("go-set"),
	})
	check("delete set", err)
	_, err = client.DeleteLoadBalancer(ctx, loadbalancer.DeleteLoadBalancerRequest{LoadBalancerId: id})
	tell("delete load balancer", true, err)
}

func walkNetworkLoadBalancers(url string, provider common.ConfigurationProvider) {
	ctx, text, number := context.Background(), common.String, common.Int
	client, err := networkloadbalancer.NewNetworkLoadBalancerClientWithConfigurationProvider(provider)
	check("client", err)
	client.Host = url
	made, err := client.CreateNetworkLoadBalancer(ctx, networkloadbalancer.CreateNetworkLoadBalancerRequest{
		CreateNetworkLoadBalancerDetails: networkloadbalancer.CreateNetworkLoadBalancerDetails{
			CompartmentId: text("c1"), DisplayName: text("go-nlb"), SubnetId: text("s"),
		},
	})
	tell("create network load balancer", made.NetworkLoadBalancer, err)
	id := made.Id
	_, err = client.CreateBackendSet(ctx, networkloadbalancer.CreateBackendSetRequest{
		NetworkLoadBalancerId: id,
		CreateBackendSetDetails: networkloadbalancer.CreateBackendSetDetails{
			Name: text("go-dns"), Policy: networkloadbalancer.NetworkLoadBalancingPolicyTwoTuple,
			IsPreserveSource: common.Bool(true),
			HealthChecker: &networkloadbalancer.HealthCheckerDetails{
				Protocol: networkloadbalancer.HealthCheckProtocolsDns, Port: number(53),
				Dns: &networkloadbalancer.DnsHealthCheckerDetails{DomainName: text("a.example")},
			},
		},
	})
	check("create network set", err)
	_, err = client.CreateBackend(ctx, networkloadbalancer.CreateBackendRequest{
		NetworkLoadBalancerId: id, BackendSetName: text("go-dns"),
		CreateBackendDetails: networkloadbalancer.CreateBackendDetails{
			IpAddress: text("127.0.0.1"), Port: number(9), IsOffline: common.Bool(true),
		},
	})
	check("create network backend", err)
	set, err := client.GetBackendSet(ctx, networkloadbalancer.GetBackendSetRequest{
		NetworkLoadBalancerId: id, BackendSetName: text("go-dns"),
	})
	tell("show network set", set.BackendSet, err)
	work, err := client.ListWorkRequests(ctx, networkloadbalancer.ListWorkRequestsRequest{CompartmentId: text("c1")})
	tell("list work requests", work.Items, err)
	_, err = client.DeleteBackend(ctx, networkloadbalancer.DeleteBackendRequest{
		NetworkLoadBalancerId: id, BackendSetName: text("go-dns"), BackendName: text("127.0.0.1:9"),
	})
	check("delete network backend", err)
	_, err = client.DeleteBackendSet(ctx, networkloadbalancer.DeleteBackendSetRequest{
		NetworkLoadBalancerId: id, BackendSetName: text("go-dns"),
	})
	check("delete network set", err)
	_, err = client.DeleteNetworkLoadBalancer(ctx, networkloadbalancer.DeleteNetworkLoadBalancerRequest{NetworkLoadBalancerId: id})
	tell("delete network load balancer", true, err)
}
