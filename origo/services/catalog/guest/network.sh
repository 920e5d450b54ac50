#!/bin/busybox sh
# Called by udhcpc with what the network says.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case "$1" in
deconfig)
    ip link set "$interface" up
    ip address flush dev "$interface"
    ;;
bound | renew)
    ip address flush dev "$interface"
    ip address add "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
        ip route replace default via "$gateway" dev "$interface"
        break
    done
    {
        [ -z "$domain" ] || echo "search $domain"
        for server in $dns; do echo "nameserver $server"; done
    } > /etc/resolv.conf
    [ "$1" = renew ] || echo "origo: $(hostname) has the address $ip" > /dev/console
    ;;
esac
