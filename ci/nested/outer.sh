# Nested hosts on this machine, through its libvirt. Sent over SSH, one verb a call:
# $1 verb, $2 URI of libvirt, $3 folder of ours, $4 name of a domain; the rest is the verb's.
set -u
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
verb=$1 uri=$2 root=$3 name=$4
shift 4
hosts=$root/hosts

alone() {
    mkdir -p "$hosts" "$root/images" && chmod 711 "$root" "$hosts" "$root/images" || exit 1
    exec 9>"$root/lock" || exit 1
    flock -w 120 9 || { echo "$root/lock is held by others all the time" >&2; exit 1; }
}

# the process that ends the host $1 in time, if it lives: its arguments name the host
keeper() {
    pid=$(cat "$hosts/$1/keeper" 2>/dev/null) && [ -n "$pid" ] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$1"
}

remove() {
    virsh -q -c "$uri" destroy "$1" >/dev/null 2>&1
    virsh -q -c "$uri" undefine "$1" >/dev/null 2>&1
    left=$(virsh -q -c "$uri" list --all --name) || { echo "libvirt does not answer" >&2; exit 1; }
    if echo "$left" | grep -qxF -- "$1"; then
        echo "the domain $1 cannot be removed" >&2
        exit 1
    fi
    if keeper "$1" && [ "$pid" != $$ ]; then kill "$pid" 2>/dev/null; fi
    rm -rf -- "${hosts:?}/$1"
}

# hosts that nobody ends any more: this machine was booted anew, or their run died at once
sweep() {
    for each in "$hosts"/virtci-nested-*; do
        [ -d "$each" ] || continue
        keeper "${each##*/}" && continue
        [ -e "$each/keeper" ] || [ -n "$(find "$each" -maxdepth 0 -mmin +2)" ] || continue
        echo "removed ${each##*/}"
        remove "${each##*/}"
    done
    find "$root/images" -mindepth 1 -maxdepth 1 -name '.partial-*' -mmin +720 -exec rm -rf -- {} +
    find "$root/images" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf -- {} +
}

case $verb in
has) # $1: image
    [ -d "$root/images/$1" ] ;;
settle) # $1: image, $2: the folder that it was uploaded to
    alone
    chmod 755 "$root/images/$2" && chmod 644 "$root/images/$2"/* || exit 1
    mv -T -- "$root/images/$2" "$root/images/$1" 2>/dev/null || rm -rf -- "${root:?}/images/$2"
    [ -d "$root/images/$1" ] ;;
begin) # $1: image. A disk of its own; what a former run of this name left goes first
    alone
    sweep
    [ ! -d "$hosts/$name" ] || { echo "removed $name"; remove "$name"; }
    mkdir -m 711 "$hosts/$name" && touch -c "$root/images/$1" &&
        qemu-img create -q -f qcow2 -F qcow2 -b "$root/images/$1/disk.qcow2" "$hosts/$name/disk.qcow2" ;;
keep) # $1: seconds
    exec </dev/null >/dev/null 2>&1
    cd /
    echo $$ >"$hosts/$name/keeper"
    trap 'kill $sleeping; exit' TERM
    sleep "$1" &
    sleeping=$!
    wait $sleeping
    alone
    remove "$name" ;;
start) # the domain's XML is the input
    cat >"$hosts/$name/domain.xml" && virsh -q -c "$uri" define "$hosts/$name/domain.xml" >/dev/null &&
        virsh -q -c "$uri" start "$name" ;;
state)
    virsh -q -c "$uri" domstate "$name" ;;
list)
    for each in "$hosts"/virtci-nested-*; do
        [ -d "$each" ] || continue
        keeper "${each##*/}" && kept=kept || kept=left
        echo "${each##*/} $kept $(virsh -q -c "$uri" domstate "${each##*/}" 2>/dev/null || echo gone)"
    done ;;
end)
    alone
    remove "$name" ;;
sweep)
    alone
    sweep ;;
esac
