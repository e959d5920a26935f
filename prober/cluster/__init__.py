"""A cluster: divides the checks among probers that share one etcd; imported only where configured.

`prober.cluster.key_store` is what it needs of etcd.
"""
