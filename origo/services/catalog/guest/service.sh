#!/bin/busybox sh
# Run the service $1: its command is the file of that name, with the answers in its environment.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
[ ! -e /run/no-services ] || exec sleep 86400
if [ -r /etc/origo/answers.env ]; then
    set -a
    . /etc/origo/answers.env
    set +a
fi
. "/etc/origo/services/$1"
# What ends at once is not started again without end.
sleep 1
