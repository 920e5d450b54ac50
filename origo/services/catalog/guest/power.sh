#!/bin/busybox sh
# The power button: services are asked to end, what they wrote is on the disk, and the machine is off at once.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
touch /run/no-services
kill -TERM -1
mount_point=$(cat /etc/origo/data-mount 2> /dev/null)
tries=0
while grep -q " ${mount_point:-/nowhere} " /proc/mounts && ! umount "$mount_point" 2> /dev/null && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    usleep 100000
done
sync
poweroff -f
