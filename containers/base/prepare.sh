#!/bin/sh
# Bring a Debian tree to one known state, whichever way it came.
# $1: the suite. The mirror is the one the tree already names.
set -eu
suite=$1

# Smaller layers: no documentation, no translations, no recommended packages, no package cache.
cat > /etc/apt/apt.conf.d/90wflo <<'CONF'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::Retries "3";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
CONF
cat > /etc/dpkg/dpkg.cfg.d/90wflo <<'CONF'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
CONF

# debootstrap names the release only: add its updates and security fixes from the same mirror.
if [ -s /etc/apt/sources.list ]; then
    mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list | head -n 1)
    cat > /etc/apt/sources.list <<LIST
deb $mirror $suite main
deb $mirror $suite-updates main
deb ${mirror%/debian}/debian-security $suite-security main
LIST
fi

# Services must not start while their packages are installed.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get -y upgrade
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/locale/* \
    /var/lib/apt/lists/* /var/log/*.log /var/cache/debconf/*-old
# Java's packages link manual pages here and fail to install without the folder.
mkdir -p /usr/share/man/man1
