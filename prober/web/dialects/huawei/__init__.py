"""Huawei Cloud's ELB API, version 3; version 2 is in `openstack`, which has the same form."""
