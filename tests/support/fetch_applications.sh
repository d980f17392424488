#!/bin/bash
# The MySQL schemas and upgrade scripts of applications that Debian packages, for applications_test:
# unpacked into ${CHAMELEON_CACHE:-$HOME/.cache/chameleon}/applications and applications-sid, without
# what the packages depend on. Nothing is installed, and nothing of theirs is run but their SQL.
set -euo pipefail
cd "$(dirname "$0")"
cache=${CHAMELEON_CACHE:-$HOME/.cache/chameleon}
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
export CHAMELEON_FETCH_ALONE=1
./fetch_mysql.sh "$codename" applications \
  bacula-director-mysql cacti freeradius-config gammu-smsd glewlwyd icinga2-ido-mysql icingaweb2 \
  icingaweb2-module-director icingaweb2-module-reporting icingaweb2-module-x509 \
  kamailio-mysql-modules kea-admin libpreludedb7-mysql mediawiki opendmarc pdns-backend-mysql \
  phpmyadmin request-tracker5 roundcube-core rsyslog-mysql sogo-common tango-db tt-rss ulogd2 \
  zabbix-server-mysql zoneminder zoph
./fetch_mysql.sh sid applications-sid icingadb kea-admin mediawiki wordpress zabbix-server-mysql
# Debian compresses what is documentation; the rest of the packages is not read.
for root in "$cache"/applications/root "$cache"/applications-sid/root; do
  [ -e "$root/.pruned" ] && continue
  find "$root" -type f -ipath '*sql*.gz' -exec gunzip -f {} +
  find "$root" \( -type f -o -type l \) ! -ipath '*sql*' ! -ipath '*/install/upgrades/*' \
    ! -iname '*schema*' -delete
  find "$root" -type d -empty -delete
  touch "$root/.pruned"
done
