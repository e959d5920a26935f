"""The common parts of the load-balancing APIs of OpenStack and Huawei Cloud."""
