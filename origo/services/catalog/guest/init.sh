#!/bin/busybox sh
# The first program of a small guest: the kernel's file systems and modules, then busybox's init takes over.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var/log /etc/origo
/bin/busybox --install -s
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts -o nosuid,noexec devpts /dev/pts
chmod 1777 /tmp
while read -r module; do
    insmod "/lib/modules/$module"
done < /lib/modules/order
exec /bin/busybox init
