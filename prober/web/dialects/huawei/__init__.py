"""Huawei Cloud's ELB API, v3; v2 is in openstack, which has the same form."""
