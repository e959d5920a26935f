// Walks Octavia's API as Terraform's provider does: one JSON object for each step, on stdout.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/providers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/quotas"
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

func pointer[T any](value T) *T { return &value }

func main() {
	ctx := context.Background()
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: os.Args[1] + "/v3", Username: "ann", Password: "tok",
		DomainName: "Default", TenantName: "p1",
	})
	check("authenticate", err)
	client, err := openstack.NewLoadBalancerV2(provider, gophercloud.EndpointOpts{})
	check("endpoint", err)

	balancer, err := loadbalancers.Create(ctx, client, loadbalancers.CreateOpts{
		Name: "from go", VipSubnetID: "s", Tags: []string{"blue"}, ProjectID: "p1",
	}).Extract()
	tell("create load balancer", balancer, err)
	pool, err := pools.Create(ctx, client, pools.CreateOpts{
		Name: "go", LoadbalancerID: balancer.ID, Protocol: "HTTP", LBMethod: "ROUND_ROBIN",
		Persistence: &pools.SessionPersistence{Type: "SOURCE_IP"},
	}).Extract()
	tell("create pool", pool, err)
	member, err := pools.CreateMember(ctx, client, pool.ID, pools.CreateMemberOpts{
		Address: "127.0.0.1", ProtocolPort: 9, Weight: pointer(5), MonitorPort: pointer(10),
	}).Extract()
	tell("create member", member, err)
	member, err = pools.UpdateMember(ctx, client, pool.ID, member.ID, pools.UpdateMemberOpts{
		Weight: pointer(0), Name: pointer("nine"),
	}).Extract()
	tell("drain member", member, err)
	check("replace members", pools.BatchUpdateMembers(ctx, client, pool.ID, []pools.BatchUpdateMemberOpts{
		{Address: "127.0.0.1", ProtocolPort: 9, Weight: pointer(1)},
		{Address: "127.0.0.2", ProtocolPort: 9, Weight: pointer(2)},
	}).ExtractErr())
	pages, err := pools.ListMembers(client, pool.ID, pools.ListMembersOpts{
		SortKey: "weight", SortDir: "desc",
	}).AllPages(ctx)
	check("list members", err)
	members, err := pools.ExtractMembers(pages)
	tell("list members", members, err)

	monitor, err := monitors.Create(ctx, client, monitors.CreateOpts{
		PoolID: pool.ID, Type: "HTTP", Delay: 60, Timeout: 2, MaxRetries: 3,
		HTTPVersion: "1.0", Tags: []string{"green"},
	}).Extract()
	tell("create monitor", monitor, err)
	monitor, err = monitors.Update(ctx, client, monitor.ID, monitors.UpdateOpts{
		Name: pointer("hm"), Delay: 30, URLPath: "/x",
	}).Extract()
	tell("change monitor", monitor, err)
	monitor, err = monitors.Get(ctx, client, monitor.ID).Extract()
	tell("show monitor", monitor, err)
	pages, err = monitors.List(client, monitors.ListOpts{
		SortKey: "name", SortDir: "desc", Limit: 2,
	}).AllPages(ctx)
	check("list monitors", err)
	listed, err := monitors.ExtractMonitors(pages)
	tell("list monitors", listed, err)

	pages, err = listeners.List(client, listeners.ListOpts{}).AllPages(ctx)
	check("list listeners", err)
	none, err := listeners.ExtractListeners(pages)
	tell("list listeners", none, err)
	pages, err = providers.List(client, providers.ListOpts{}).AllPages(ctx)
	check("list providers", err)
	all, err := providers.ExtractProviders(pages)
	tell("list providers", all, err)
	quota, err := quotas.Get(ctx, client, "p1").Extract()
	tell("show quota", quota, err)
	stats, err := loadbalancers.GetStats(ctx, client, balancer.ID).Extract()
	tell("show traffic", stats, err)
	tree, err := loadbalancers.GetStatuses(ctx, client, balancer.ID).Extract()
	tell("show statuses", tree, err)

	check("delete monitor", monitors.Delete(ctx, client, monitor.ID).ExtractErr())
	check("delete load balancer", loadbalancers.Delete(ctx, client, balancer.ID,
		loadbalancers.DeleteOpts{Cascade: true}).ExtractErr())
	_, err = pools.Get(ctx, client, pool.ID).Extract()
	tell("pool is gone", gophercloud.ResponseCodeIs(err, 404), nil)
}
