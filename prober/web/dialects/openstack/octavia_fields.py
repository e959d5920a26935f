"""The fields of Octavia's pools, members and load balancers that prober only keeps."""

from prober.model.kinds import BOOLEAN, choice, integer, list_of, text
from prober.web.dialects.lbaas.edit_requests import ANYTHING, SESSION_PERSISTENCE, KeptField
from prober.web.dialects.lbaas.load_balancer_edits import LoadBalancerForm
from prober.web.dialects.lbaas.pool_edits import COMMON_POOL, PoolForm

_REF = KeptField(text(0, 255))
_NAMES = KeptField(list_of(text(1, 255)))
_TAGS = KeptField(list_of(text(longest=255)), [])

POOL_FORM = PoolForm(
    {
        **COMMON_POOL,
        "protocol": KeptField(
            choice(
                "HTTP", "HTTPS", "PROXY", "PROXYV2", "SCTP", "TCP", "UDP", "QUIC", "TLS", "GRPC"
            ),
            required=True,
            fixed=True,
        ),
        "lb_algorithm": KeptField(
            choice("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT", "QUIC_CID"),
            "ROUND_ROBIN",
            required=True,
        ),
        "session_persistence": KeptField(SESSION_PERSISTENCE),
        "tls_enabled": KeptField(BOOLEAN, default=False),
        "tls_container_ref": _REF,
        "ca_tls_container_ref": _REF,
        "crl_container_ref": _REF,
        "tls_ciphers": KeptField(text(0, 2048)),
        "tls_versions": _NAMES,
        "alpn_protocols": _NAMES,
        "tags": _TAGS,
    }
)
WEIGHT = integer(0, 256)
MEMBER_KEPT = {"subnet_id": KeptField(text(0, 64)), "vnic_type": KeptField(text(0, 64), "normal")}
LOAD_BALANCER_FORM = LoadBalancerForm(
    {
        "name": KeptField(text(0, 255), ""),
        "description": KeptField(text(0, 255), ""),
        "admin_state_up": KeptField(BOOLEAN, default=True),
        "provider": KeptField(text(0, 64), "prober", fixed=True),
        "flavor_id": KeptField(text(0, 255), fixed=True),
        "availability_zone": KeptField(text(0, 255), fixed=True),
        "vip_address": KeptField(text(0, 64), fixed=True),
        "vip_port_id": KeptField(text(0, 64), fixed=True),
        "vip_subnet_id": KeptField(text(0, 64), fixed=True),
        "vip_network_id": KeptField(text(0, 64), fixed=True),
        "vip_qos_policy_id": KeptField(text(0, 64)),
        "vip_sg_ids": KeptField(list_of(text(1, 64)), []),
        "vip_vnic_type": KeptField(text(0, 64), "normal", fixed=True),
        "additional_vips": KeptField(ANYTHING, [], fixed=True),
        "tags": _TAGS,
    }
)
