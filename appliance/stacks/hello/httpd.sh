#!/bin/busybox sh
# The web server of the page; what was answered at install is in its environment, and so in the page's.
exec busybox httpd -f -p 80 -h /srv/www
