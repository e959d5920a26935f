// Walks Huawei's API, version 3, with signed requests: one JSON object for each step, on stdout.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	elb "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/elb/v3"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/elb/v3/model"
)

func tell(step string, found any, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
		os.Exit(1)
	}
	text, _ := json.Marshal(map[string]any{"step": step, "found": found})
	fmt.Println(string(text))
}

func pointer[T any](value T) *T { return &value }

func main() {
	url, access, secret := os.Args[1], os.Args[2], os.Args[3]
	credentials, err := basic.NewCredentialsBuilder().WithAk(access).WithSk(secret).
		WithProjectId("p1").SafeBuild()
	tell("credentials", true, err)
	http, err := elb.ElbClientBuilder().WithEndpoints([]string{url}).
		WithCredential(credentials).SafeBuild()
	tell("client", true, err)
	client := elb.NewElbClient(http)

	listed, err := client.ListHealthMonitors(&model.ListHealthMonitorsRequest{
		Type: &[]string{"TCP", "HTTP"}, Limit: pointer(int32(10)), Name: &[]string{"web-http", "é b"},
	})
	tell("list monitors", listed, err)
	shown, err := client.ListPools(&model.ListPoolsRequest{Name: &[]string{"spare"}})
	tell("list pools", shown, err)
	spare := (*shown.Pools)[0]
	made, err := client.CreateHealthMonitor(&model.CreateHealthMonitorRequest{
		Body: &model.CreateHealthMonitorRequestBody{Healthmonitor: &model.CreateHealthMonitorOption{
			PoolId: spare.Id, Type: "HTTP", Delay: 5, Timeout: 3, MaxRetries: 2,
		}},
	})
	tell("create monitor", made, err)
	changed, err := client.UpdateHealthMonitor(&model.UpdateHealthMonitorRequest{
		HealthmonitorId: made.Healthmonitor.Id,
		Body: &model.UpdateHealthMonitorRequestBody{Healthmonitor: &model.UpdateHealthMonitorOption{
			Delay: pointer(int32(7)), Name: pointer("from go"),
		}},
	})
	tell("change monitor", changed, err)
	balancer, err := client.ShowLoadBalancer(&model.ShowLoadBalancerRequest{
		LoadbalancerId: *spare.Loadbalancers[0].Id,
	})
	tell("show load balancer", balancer, err)
	_, err = client.ChangeLoadbalancerTags(&model.ChangeLoadbalancerTagsRequest{
		LoadbalancerId: balancer.Loadbalancer.Id,
		Body: &model.ChangeLoadbalancerTagsRequestBody{
			Action: model.GetChangeLoadbalancerTagsRequestBodyActionEnum().CREATE,
			Tags:   []model.ChangeResourceTagOption{{Key: "env", Value: "go"}},
		},
	})
	tell("change tags", true, err)
	tags, err := client.ShowLoadbalancerTags(&model.ShowLoadbalancerTagsRequest{
		LoadbalancerId: balancer.Loadbalancer.Id,
	})
	tell("show tags", tags, err)
	versions, err := client.ListApiVersions(&model.ListApiVersionsRequest{})
	tell("list versions", versions, err)

	pool, err := client.CreatePool(&model.CreatePoolRequest{
		Body: &model.CreatePoolRequestBody{Pool: &model.CreatePoolOption{
			LoadbalancerId: spare.Loadbalancers[0].Id, Protocol: "TCP",
			LbAlgorithm: "ROUND_ROBIN", Name: pointer("go"),
		}},
	})
	tell("create pool", pool, err)
	member, err := client.CreateMember(&model.CreateMemberRequest{
		PoolId: pool.Pool.Id,
		Body: &model.CreateMemberRequestBody{Member: &model.CreateMemberOption{
			Address: "127.0.0.1", ProtocolPort: pointer(int32(9)), Weight: pointer(int32(0)),
		}},
	})
	tell("create member", member, err)
	updated, err := client.UpdateMember(&model.UpdateMemberRequest{
		PoolId: pool.Pool.Id, MemberId: member.Member.Id,
		Body: &model.UpdateMemberRequestBody{Member: &model.UpdateMemberOption{
			Weight: pointer(int32(3)), AdminStateUp: pointer(true),
		}},
	})
	tell("change member", updated, err)
	members, err := client.ListMembers(&model.ListMembersRequest{PoolId: pool.Pool.Id})
	tell("list members", members, err)

	added, err := client.BatchCreateMembers(&model.BatchCreateMembersRequest{
		PoolId: pool.Pool.Id,
		Body: &model.BatchCreateMembersRequestBody{Members: []model.BatchCreateMembersOption{
			{Address: "127.0.0.1", ProtocolPort: 9},
			{Address: "127.0.0.1", ProtocolPort: 10, Weight: pointer(int32(5))},
		}},
	})
	tell("add members", added, err)
	second := (*added.Members)[1].Id
	batch, err := client.BatchUpdateMembers(&model.BatchUpdateMembersRequest{
		PoolId: pool.Pool.Id,
		Body: &model.BatchUpdateMembersRequestBody{Members: []model.BatchUpdateMembersOption{
			{Id: second, Weight: pointer(int32(7))},
		}},
	})
	tell("change members", batch, err)
	gone, err := client.BatchDeleteMembers(&model.BatchDeleteMembersRequest{
		PoolId: pool.Pool.Id,
		Body: &model.BatchDeleteMembersRequestBody{Members: []model.BatchDeleteMembersOption{
			{Id: &second}, {Address: pointer("127.0.0.1"), ProtocolPort: pointer(int32(11))},
		}},
	})
	tell("delete members", gone, err)

	_, err = client.DeleteMember(&model.DeleteMemberRequest{
		PoolId: pool.Pool.Id, MemberId: member.Member.Id,
	})
	tell("delete member", true, err)
	_, err = client.DeletePool(&model.DeletePoolRequest{PoolId: pool.Pool.Id})
	tell("delete pool", true, err)
	_, err = client.DeleteHealthMonitor(&model.DeleteHealthMonitorRequest{
		HealthmonitorId: made.Healthmonitor.Id,
	})
	tell("delete monitor", true, err)
}
