#!/bin/busybox sh
# An agent that obeys, refuses, lies, babbles, is mute (wakes up, and then says nothing) or silent; a guest may be deaf.
[ "$ANSWER_BUTTON" = hears ] || rm -f /etc/acpi/PWRF/00000080
for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ] && exec 3<> "/dev/${port##*/}"
done
[ "$ANSWER_AGENT" = silent ] && exec sleep 86400
while true; do
    # At first, and whenever libvirt is away, there is nothing to be read.
    read -r asked <&3 || usleep 100000
    case $asked,$ANSWER_AGENT in
    *guest-sync*)
        id=${asked##*\"id\":}
        echo "{\"return\":${id%%\}*}}" >&3
        ;;
    *guest-shutdown*,obeys) exec poweroff -f ;;
    *guest-shutdown*,refuses) echo '{"error":{"class":"CommandDisabled","desc":"no"}}' >&3 ;;
    *guest-shutdown*,babbles) printf '{"error":{"class":"\377","desc":"\377"}}\n' >&3 ;;
    *guest-shutdown*,lies)
        echo '{"return":{}}' >&3
        usleep 500000
        echo "it lied" > /dev/ttyS0
        ;;
    esac
done
