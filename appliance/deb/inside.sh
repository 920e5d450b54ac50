#!/bin/sh
# Make the virtual environment: run in the tree, without a network, in the folder of the build.
#
# Prints what its compiled parts need of the target's libraries, in the form of a Depends field.
set -eu
venv=/usr/lib/origo/venv
pip() { python3 -m pip --disable-pip-version-check --no-cache-dir -q "$@" >&2; }

# A source archive is unpacked where every build unpacks it: the path goes into what is compiled.
mkdir sdists
for archive in wheels/*.tar.gz; do
    tar -xzf "$archive" --no-same-owner --no-same-permissions -C sdists
    rm "$archive"
done
pip wheel --no-index --no-deps --no-build-isolation -w wheels ./sdists/* ./source
python3 -m venv --without-pip "$venv"
pip --python "$venv/bin/python3" install --no-index --no-deps --no-compile wheels/*.whl

# What nothing runs or reads at run time.
find "$venv/bin" -mindepth 1 ! -name 'python*' ! -name origo -delete
rm -r "$venv/include" "$venv/share" "$venv/.gitignore"
site=$(echo "$venv"/lib/python3.*/site-packages)
find "$site" -path '*.dist-info/*' '(' -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json ')' -delete
find "$site" -depth -type d '(' -name tests -o -name test ')' -exec rm -r '{}' ';'
find "$site" -type f '(' -name '*.pyi' -o -name '*.py[xd]' -o -name '*.pxi' -o -name '*.[ch]' ')' -delete
find "$site" -depth -type d -empty -delete
strip --strip-unneeded "$site"/libvirtmod*.so

# Compiled here, so that the first start is not slow and nothing writes below /usr; the files never change in place.
"$venv/bin/python3" -I -m compileall -q -j1 --invalidation-mode unchecked-hash "$venv/lib" >&2
find "$site" -type f -exec chmod 644 '{}' +

mkdir debian
printf 'Source: origo\n\nPackage: origo\nArchitecture: amd64\n' >debian/control
find "$site" -name '*.so' -o -name '*.so.*' | sort >compiled
dpkg-shlibdeps -O --ignore-missing-info $(printf ' -l%s' "$site"/*.libs) $(cat compiled) 2>shlibdeps.log |
    sed -n 's/^shlibs:Depends=//p'
