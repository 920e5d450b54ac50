#!/bin/busybox sh
# One job of fio on the data disk, which the query names; its report in JSON.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

case "$QUERY_STRING" in
write) set -- --rw=randwrite --bs=4k ;;
read) set -- --rw=read --bs=1M ;;
*)
    printf 'Status: 404 Not Found\r\n\r\n'
    exit
    ;;
esac
printf 'Content-Type: application/json\r\n\r\n'
exec fio --name=job --filename=/data/file --size=128M --ioengine=libaio --iodepth=16 --direct=1 --randseed=1 \
    --time_based --runtime=10 --output-format=json "$@"
