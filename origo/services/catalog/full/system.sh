#!/bin/sh
# In the sandbox: the tree on the standard input becomes the partition of the disk /mnt/system.raw.
# $1 is where the partition begins, in bytes, $2 its size in KiB, $3 where the data disk is mounted, or empty.
set -eu
mkdir /mnt/tree
tar --extract --numeric-owner --exclude='./dev/*' ${3:+--exclude=".$3/*"} --directory /mnt/tree
mke2fs -q -F -t ext4 -L origo-system -E "offset=$1,root_owner=0:0,lazy_itable_init=1,nodiscard" -d /mnt/tree \
    /mnt/system.raw "$2k"
# The boot sector loads what stands behind it: the partition table stays, the rest of both gaps is the loader's.
dd if=/mnt/tree/boot/grub/boot.img of=/mnt/system.raw bs=1 count=440 conv=notrunc status=none
dd if=/mnt/tree/boot/grub/core.img of=/mnt/system.raw bs=512 seek=1 count=2047 conv=notrunc status=none
