#!/bin/busybox sh
# Ask for an address until there is one, and keep it.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for path in /sys/class/net/*; do
    [ ! -e "$path/device" ] || { interface=${path##*/}; break; }
done
[ -n "$interface" ] || exec sleep 86400
exec udhcpc -f -t 20 -T 1 -A 1 -i "$interface" -s /etc/origo/network -x "hostname:$(hostname)"
