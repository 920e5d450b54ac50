#!/bin/busybox sh
# The page: a greeting, how often it was asked for, and a cookie of its own.
# What a visitor sends is printed only after `escaped`, and never becomes part of a command.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

escaped() {
    printf '%s' "$1" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g'
}

# One byte for each visit: appending needs no lock, and the size is the count.
printf . >> /data/visits
sync
count=$(stat -c %s /data/visits)

case "; $HTTP_COOKIE" in
*'; hello='*) cookie= ;;
*) cookie="Set-Cookie: hello=visitor-$count; Path=/; HttpOnly; SameSite=Lax" ;;
esac

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n'
[ -z "$cookie" ] || printf '%s\r\n' "$cookie"
printf '\r\n'
cat << END
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Hello</title>
<link rel="stylesheet" href="/style.css">
<main>
<h1>$(escaped "${ANSWER_GREETING:-Hello}")</h1>
<p>This page was asked for <strong id="count">$count</strong> times.</p>
<p>Your browser sent the cookie <code id="cookie">$(escaped "${HTTP_COOKIE:-none}")</code>.</p>
<p>I am the server <code>$(escaped "$(hostname)")</code>, up for $(cut -d. -f1 /proc/uptime) seconds.
<a href="/cgi-bin/headers.cgi">What your browser sent</a></p>
</main>
END
