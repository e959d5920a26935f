"""OpenStack's Octavia API, which includes Huawei's v2, and the routes for versions and tokens."""
