#!/bin/sh
# In the sandbox, after the packages are installed into the tree $1: what every full system has.
set -eu
mkdir -p "$1/boot/grub"
cat > "$1/boot/grub/start.cfg" << 'END'
probe --set=system --fs-uuid $root
linux /vmlinuz root=UUID=$system ro console=tty0 console=ttyS0 quiet net.ifnames=0
initrd /initrd.img
boot
END
# The disk boots without asking the tree: the kernel is where Debian's own links say, whichever it is.
chroot "$1" grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(,msdos1)/boot/grub' -c /boot/grub/start.cfg \
    biosdisk part_msdos ext2 linux probe normal boot echo test
cp "$1/usr/lib/grub/i386-pc/boot.img" "$1/boot/grub/"

cat > "$1/etc/cloud/cloud.cfg.d/90-origo.cfg" << 'END'
datasource_list: [NoCloud, None]
network: {config: disabled}
locale: false
# An RSA key takes seconds to find, and no client of today needs one.
ssh_genkeytypes: [ed25519, ecdsa]
# Only what the seed asks for, and growing; the rest of the modules would cost every boot its time.
cloud_init_modules: [write-files, growpart, resizefs, mounts, set_hostname, update_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
END
cat > "$1/etc/systemd/network/80-origo.network" << 'END'
[Match]
Type=ether

[Network]
DHCP=yes

[DHCPv4]
UseDomains=yes
END
chroot "$1" systemctl enable --quiet systemd-networkd systemd-resolved
# No module of these stages is used; each would load all of cloud-init once more at every boot. Since Debian 13 one
# process serves all stages, and waits for them.
[ -e "$1/usr/lib/systemd/system/cloud-init-main.service" ] ||
    chroot "$1" systemctl mask --quiet cloud-config.service cloud-final.service
# It looks for snapshots of volumes, which are made outside the guest.
chroot "$1" systemctl disable --quiet e2scrub_reap.service
ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
# A password for a mirror of this machine is not the guest's.
find "$1/etc/apt" -name '*.sources' -o -name '*.list' | xargs -r sed -i 's|://[^/@ ]*@|://|g'
