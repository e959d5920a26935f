"""What the lists of Huawei's API, version 3, can be filtered by."""

from prober.web.dialects.lbaas.listing import (
    MONITOR_FILTERS,
    Filter,
    a_boolean,
    a_number,
    an_id,
    having,
)
from prober.web.server.json_answer import Json
from prober.web.server.query import Parameter

ALL_PROJECTS = ("0", "all_granted_eps")
"""The default enterprise project, which contains everything, and Huawei's word for all projects."""


def _in_enterprise_project(_: Json, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(ALL_PROJECTS)


IN_ENTERPRISE_PROJECT = Filter(
    Parameter("enterprise_project_id", str, {}, "there is only one", many=True),
    _in_enterprise_project,
)


def _none(name: str) -> Filter:
    """Declare a filter on what nothing in prober has: with it, a list is empty."""
    parameter = Parameter(name, str, {}, "nothing has this", many=True)
    return Filter(parameter, lambda _, __: False)


def _of_balancer(shown: Json, wanted: frozenset[str]) -> bool:
    return shown["loadbalancers"][0]["id"] in wanted


UP = having("admin_state_up", a_boolean, many=False)
NAMED_FILTERS = (having("id", an_id), having("name"), UP, IN_ENTERPRISE_PROJECT)
HEALTHMONITOR_FILTERS = (
    *MONITOR_FILTERS,
    UP,
    having("timeout", a_number, many=False),
    IN_ENTERPRISE_PROJECT,
)
POOL_FILTERS = (
    *NAMED_FILTERS,
    having("description"),
    having("protocol"),
    having("healthmonitor_id", an_id),
    having("lb_algorithm"),
    having("ip_version"),
    having("type"),
    having("vpc_id"),
    having("protection_status"),
    having("any_port_enable", a_boolean, many=False),
    having("member_deletion_protection_enable", a_boolean, many=False),
    having("public_border_group"),
    Filter(
        Parameter("loadbalancer_id", an_id, {}, "only pools of this load balancer", many=True),
        _of_balancer,
    ),
    *map(_none, ("listener_id", "member_device_id", "member_instance_id")),
)
LOAD_BALANCER_FILTERS = (
    *NAMED_FILTERS,
    having("description"),
    having("operating_status"),
    having("provisioning_status"),
    having("guaranteed", a_boolean, many=False),
    having("vpc_id"),
    having("vip_port_id"),
    having("vip_address"),
    having("vip_subnet_cidr_id"),
    having("ipv6_vip_address"),
    having("ipv6_vip_virsubnet_id"),
    having("l4_flavor_id"),
    having("l7_flavor_id"),
    having("protection_status"),
    having("deletion_protection_enable", a_boolean, many=False),
    *map(_none, ("eips", "publicips", "global_eips", "member_device_id", "ipv6_vip_port_id")),
)
MEMBER_FILTERS = (
    *NAMED_FILTERS,
    having("address"),
    having("protocol_port", a_number),
    having("weight", a_number),
    having("operating_status"),
    having("ip_version"),
    having("member_type"),
    having("subnet_cidr_id"),
    having("availability_zone"),
    _none("instance_id"),
)
ALL_MEMBER_FILTERS = (
    *MEMBER_FILTERS,
    having("pool_id", an_id),
    having("loadbalancer_id", an_id),
)
