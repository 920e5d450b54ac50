#!/bin/busybox sh
# Once at boot, before any service: the answers from the seed, the network, the data disk.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

say() {
    echo "origo: $*" > /dev/console
}

# The disk with that serial number, else the one whose file system has that label.
disk() {
    for serial in /sys/block/*/serial; do
        if [ "$(cat "$serial" 2> /dev/null)" = "$1" ]; then
            serial=${serial%/serial}
            echo "/dev/${serial##*/}"
            return
        fi
    done
    findfs "LABEL=$2" 2> /dev/null
}

# The same, waiting up to 3 s for controllers that look for their disks behind our back.
await() {
    tries=0
    while ! disk "$@" | grep . && [ $tries -lt 30 ]; do
        tries=$((tries + 1))
        usleep 100000
    done
}

ip link set lo up
hostname origo
seed=$(await origo-seed cidata)
if [ -n "$seed" ]; then
    mkdir -p /run/seed
    mount -t iso9660 -o ro,nosuid,nodev,noexec "$seed" /run/seed
    (umask 077 && cp /run/seed/answers.json /run/seed/answers.env /etc/origo/)
    hostname "$(cat /run/seed/hostname)"
    umount /run/seed
else
    say "no answers: there is no seed disk"
fi
hostname > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(hostname)" > /etc/hosts

mount_point=$(cat /etc/origo/data-mount 2> /dev/null)
if [ -n "$mount_point" ]; then
    data=$(await origo-data origo-data)
    mkdir -p "$mount_point"
    if [ -n "$data" ] && mount -t ext4 -o nosuid,nodev "$data" "$mount_point"; then
        resize2fs "$data" > /dev/null 2>&1 &
    else
        # Services that wrote into memory instead would lose it all, so none is started.
        say "cannot mount the data disk at $mount_point: no service is started"
        touch /run/no-services
    fi
fi
