#!/bin/busybox sh
# One job of fio on the data disk, which the query names; its report in JSON.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

case "$QUERY_STRING" in
fill) set -- --rw=write --bs=1M --end_fsync=1 ;;
write) set -- --rw=randwrite --bs=4k --time_based --runtime=10 ;;
read) set -- --rw=read --bs=1M --time_based --runtime=10 ;;
*)
    printf 'Status: 404 Not Found\r\n\r\n'
    exit
    ;;
esac
printf 'Content-Type: application/json\r\n\r\n'
exec fio --name=job --filename=/data/file --size=128M --ioengine=libaio --iodepth=16 --direct=1 --randseed=1 \
    --output-format=json "$@"
