#!/bin/sh
# Boots systemd over a copy-on-write view of this very machine, in namespaces of its own: nothing
# that happens in there is seen outside. Runs until it is killed. Needs root.
#
#   machine.sh DIRECTORY FILES    DIRECTORY is empty and ours; FILES are laid over the view
set -eu

hold() { # the outer half: a control group for the machine, removed when it has ended
    mount -t tmpfs tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/root" "$1/cgroup"
    mount -t cgroup2 cgroup2 "$1/cgroup"
    home="$1/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)"
    group="$home/prober-test.$$"
    mkdir "$group"
    echo $$ >"$group/cgroup.procs"
    unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child "$0" boot "$1" "$2" || true
    echo $$ >"$home/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} +
}

boot() { # the inner half: becomes systemd
    root=$1/root
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
    # Of this machine only its programs: none of its services, mounts and logs.
    rm -rf "$root/etc/systemd/system" "$root/etc/fstab" "$root/var/log/journal"
    mkdir -p "$root/etc/systemd/system" "$root/old"
    for each in remount-fs sysctl modules-load udevd udev-trigger networkd resolved timesyncd; do
        ln -s /dev/null "$root/etc/systemd/system/systemd-$each.service"
    done
    cp -a "$2/." "$root/"
    cd "$root"
    mount -t proc proc proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    for each in null zero full random urandom tty; do
        touch "dev/$each"
        mount --bind "/dev/$each" "dev/$each"
    done
    mkdir dev/shm dev/pts
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx # PrivateDevices=yes asks for it
    pivot_root . old
    umount -l /old
    mount --make-rshared / # else units see no credentials
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=prober-test \
        /lib/systemd/systemd --unit=machine.target --show-status=no
}

case $1 in
hold | boot) "$@" ;;
*) exec unshare --mount --propagation private "$0" hold "$@" ;;
esac
