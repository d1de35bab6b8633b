# The leases of one host. Arguments: state folder, verb, seconds to live, token or ticket, owner,
# purpose. Prints "lease TOKEN SECONDS-LEFT OWNER PURPOSE" and "ticket NUMBER AHEAD". Exit status:
# 75 not yet, 97 lost, 74 the disk or the lock does not let us.
# Files, times in whole seconds of uptime: lease = "token boot until seconds owner purpose",
# tokens and tickets = the last number given, queue/NUMBER = "boot seen".
state=$1 verb=$2 seconds=$3 number=$4 owner=$5 purpose=$6
patience=60
umask 022
mkdir -p "$state/queue" && exec 9>"$state/lock" && flock -w 30 9 || exit 74
read -r now rest </proc/uptime
now=${now%%.*}
read -r boot </proc/sys/kernel/random/boot_id

put() { # file, line: whole or not at all
    printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1" || exit 74
}
note() {
    printf '%s up %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$now" "$*" >>"$state/log"
}
following() { # file: the number after the last one given
    last=0
    [ -s "$1" ] && read -r last <"$1"
    last=$((last + 1))
    put "$1" "$last"
}
load() { # sets token, left, holder, why; token is empty when nobody holds it
    token= left=0 holder= why=
    [ -s "$state/lease" ] || return
    read -r token then until ttl holder why <"$state/lease"
    if [ "$then" != "$boot" ]; then # rebooted: its whole time again, counted from the boot
        until=$ttl
        put "$state/lease" "$token $boot $until $ttl $holder $why"
    fi
    left=$((until - now))
    if [ "$left" -le 0 ]; then
        note "expired $token $holder $why"
        rm -f "$state/lease"
        token=
    fi
}
show() {
    echo "lease $token $left $holder $why"
}
hold() { # what: write the lease of owner and tell of it
    put "$state/lease" "$token $boot $((now + seconds)) $seconds $holder $why"
    left=$seconds
    show
}
give() { # what happened
    following "$state/tokens"
    token=$last holder=$owner why=$purpose
    note "$1 $token $holder $why"
    hold
}
ahead() { # ticket: counts who came before it, and forgets who stopped asking
    count=0
    for path in "$state"/queue/*[0-9]; do
        [ -f "$path" ] || continue
        read -r then seen <"$path"
        if [ "$then" != "$boot" ]; then
            put "$path" "$boot $now"
        elif [ $((now - seen)) -gt $patience ]; then
            rm -f "$path"
            continue
        fi
        [ "${path##*/}" -lt "$1" ] && count=$((count + 1))
    done
}

load
case $verb in
take)
    if [ ! -f "$state/queue/$number" ]; then
        following "$state/tickets"
        number=$last
    fi
    put "$state/queue/$number" "$boot $now"
    ahead "$number"
    if [ -z "$token" ] && [ "$count" -eq 0 ]; then
        rm -f "$state/queue/$number"
        give taken
    else
        [ -z "$token" ] || show
        echo "ticket $number $count"
        exit 75
    fi
    ;;
renew)
    if [ "$token" != "$number" ]; then
        echo "lease $number is lost, ${token:-nobody} holds" >&2
        exit 97
    fi
    hold
    ;;
release)
    if [ "$token" != "$number" ]; then
        echo "lease $number is lost, ${token:-nobody} holds" >&2
        exit 97
    fi
    note "released $token $holder $why"
    rm -f "$state/lease"
    ;;
leave) rm -f "$state/queue/$number" ;;
steal)
    [ -z "$token" ] || note "stolen $token $holder $why by $owner"
    give taken
    ;;
show) [ -z "$token" ] || show ;;
esac
