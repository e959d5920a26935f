"""What the load-balancing APIs of OpenStack and of Huawei Cloud have in common."""
