#!/bin/sh
# usage: furnish.sh TREE GUEST-FOLDER: what a machine under test has besides Debian's packages.
set -eu
tree=$1
guest=$2

install -m 755 "$guest/runner.py" "$tree/usr/local/lib/origo-runner.py"
install -m 644 "$guest/origo-runner.service" "$tree/etc/systemd/system/"
mkdir -p "$tree/etc/systemd/system/sysinit.target.wants"
ln -sf ../origo-runner.service "$tree/etc/systemd/system/sysinit.target.wants/"

# Machines boot the ordinary kernel; that of the cloud is the update of a test.
for name in vmlinuz initrd.img; do
    ln -sf "boot/$(basename "$tree/boot/$name"-*[0-9]-amd64)" "$tree/$name"
done

echo "/dev/vda / ext4 errors=remount-ro,noinit_itable 0 1" > "$tree/etc/fstab"
echo machine > "$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 machine\n::1 localhost ip6-localhost ip6-loopback\n' > "$tree/etc/hosts"

# The first card asks for its address, as an ordinary installation does; others are the test's own business.
cat > "$tree/etc/systemd/network/80-outer.network" << 'END'
[Match]
Property=ID_NET_NAME_PATH=enp0s16

[Network]
DHCP=ipv4
LinkLocalAddressing=no
END
chroot "$tree" systemctl enable --quiet systemd-networkd
rm -f "$tree/etc/resolv.conf"
echo "nameserver 192.168.214.3" > "$tree/etc/resolv.conf"

# Each disk made of this is a machine of its own: empty (and not absent) means a new id, and no questions.
: > "$tree/etc/machine-id"
rm -f "$tree/var/lib/dbus/machine-id" "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/systemd/random-seed"
mkdir -p "$tree/etc/ssh/sshd_config.d" "$tree/etc/systemd/system/ssh.service.d"
echo "HostKey /etc/ssh/ssh_host_ed25519_key" > "$tree/etc/ssh/sshd_config.d/machine.conf"
cat > "$tree/etc/systemd/system/ssh.service.d/key.conf" << 'END'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c '[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
END

# What a first boot would make anew (the linker's cache, the journal's catalogue) was made with the packages.
touch -r "$tree/usr" "$tree/etc/.updated" "$tree/var/.updated"

# Where the packages came from is this machine's business, and so is a password for it.
rm -f "$tree"/etc/apt/sources.list.d/* "$tree/etc/apt/sources.list"
