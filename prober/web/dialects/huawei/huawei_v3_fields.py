"""The fields of Huawei's pools, members and load balancers that prober only keeps."""

from prober.model.kinds import BOOLEAN, choice, integer, list_of, text
from prober.web.dialects.lbaas.edit_requests import ANYTHING, SESSION_PERSISTENCE, KeptField
from prober.web.dialects.lbaas.load_balancer_edits import LoadBalancerForm
from prober.web.dialects.lbaas.pool_edits import COMMON_POOL, PoolForm
from prober.web.dialects.lbaas.tag_pairs import KEPT_PAIRS

_ID = KeptField(text(0, 64))
_OBJECT = KeptField(ANYTHING)
_FLAG = KeptField(BOOLEAN, default=False)
_PROTECTION = {
    "protection_status": KeptField(text(0, 64), "nonProtection"),
    "protection_reason": KeptField(text(0, 255), ""),
}

POOL_FORM = PoolForm(
    {
        **COMMON_POOL,
        **_PROTECTION,
        "protocol": KeptField(
            choice("TCP", "UDP", "HTTP", "HTTPS", "QUIC", "TLS", "GRPC", "IP"),
            required=True,
            fixed=True,
        ),
        "lb_algorithm": KeptField(
            choice(
                "ROUND_ROBIN",
                "LEAST_CONNECTIONS",
                "SOURCE_IP",
                "QUIC_CID",
                "2_TUPLE_HASH",
                "3_TUPLE_HASH",
                "5_TUPLE_HASH",
            ),
            "ROUND_ROBIN",
            required=True,
        ),
        "session_persistence": KeptField(SESSION_PERSISTENCE),
        "slow_start": KeptField(ANYTHING),
        "member_deletion_protection_enable": _FLAG,
        "vpc_id": _ID,
        "type": KeptField(text(0, 64), "ip"),
        "ip_version": KeptField(text(0, 64), "dualstack"),
        "any_port_enable": _FLAG,
        "connection_drain": KeptField(ANYTHING),
        "pool_health": KeptField(ANYTHING),
        "public_border_group": KeptField(text(0, 64), "center"),
        "enterprise_project_id": KeptField(text(0, 64), "0"),
        "az_affinity": KeptField(ANYTHING),
        "quic_cid_hash_strategy": KeptField(ANYTHING),
    },
    needs_parent=False,
)
WEIGHT = integer(0, 100)
MEMBER_KEPT = {"subnet_cidr_id": _ID, "availability_zone": _ID}
LOAD_BALANCER_FORM = LoadBalancerForm(
    {
        **_PROTECTION,
        "name": KeptField(text(0, 255), ""),
        "description": KeptField(text(0, 255), ""),
        "admin_state_up": KeptField(BOOLEAN, default=True),
        "provider": KeptField(text(0, 64), "prober", fixed=True),
        "vip_address": KeptField(text(0, 64)),
        "vip_port_id": KeptField(text(0, 64), fixed=True),
        "vip_subnet_cidr_id": _ID,
        "ipv6_vip_address": KeptField(text(0, 64)),
        "ipv6_vip_virsubnet_id": _ID,
        "vpc_id": KeptField(text(0, 64), fixed=True),
        "availability_zone_list": KeptField(list_of(text(1, 64)), [], fixed=True),
        "elb_virsubnet_ids": KeptField(list_of(text(1, 64)), []),
        "l4_flavor_id": _ID,
        "l7_flavor_id": _ID,
        "guaranteed": KeptField(BOOLEAN, default=True, fixed=True),
        "ip_target_enable": KeptField(BOOLEAN, default=True),
        "deletion_protection_enable": _FLAG,
        "enterprise_project_id": KeptField(text(0, 64), "0", fixed=True),
        "waf_failure_action": KeptField(text(0, 64)),
        "charge_mode": KeptField(text(0, 64)),
        "autoscaling": _OBJECT,
        "billing_info": _OBJECT,
        "ipv6_bandwidth": _OBJECT,
        "prepaid_options": _OBJECT,
        "publicip": _OBJECT,
        "publicip_ids": _OBJECT,
        "tags": KeptField(KEPT_PAIRS, []),
    }
)
