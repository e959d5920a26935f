"""OpenStack's Octavia API, Huawei's v2 with it, and the version and token routes before it."""
