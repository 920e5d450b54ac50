#!/bin/sh
# Make the package of the folder `root`: run in the tree, whose dpkg-deb and compressors are the same everywhere.
set -eu
cd root
find usr/share/man -name '*.[18]' -exec gzip -9n '{}' ';'
gzip -9n usr/share/doc/origo/changelog
find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums
find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" '{}' +
cd ..
dpkg-deb --root-owner-group --threads-max=1 -Zxz --build root origo.deb >&2
