#!/bin/sh
# Write each template, with the environment's variables put in, to nginx's configuration folder.
# Only ${NAME} and $NAME of variables that are set are replaced, so that nginx keeps its own.
#   NGINX_ENVSUBST_TEMPLATE_DIR      /etc/nginx/templates
#   NGINX_ENVSUBST_TEMPLATE_SUFFIX   .template
#   NGINX_ENVSUBST_OUTPUT_DIR        /etc/nginx/conf.d
#   NGINX_ENVSUBST_FILTER            extended regular expression that names must match; all do
set -eu
templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "${0##*/}: $*"; }

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
    say "ERROR: $templates exists, but $output is not writable"
    exit 0
fi

names=$(awk 'BEGIN {
    wanted = ENVIRON["NGINX_ENVSUBST_FILTER"]
    for (name in ENVIRON) if (name ~ wanted) printf "${%s} ", name
}')
find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
    file=$output/${template#"$templates"/}
    file=${file%"$suffix"}
    mkdir -p "${file%/*}"
    say "writing $file from $template"
    envsubst "$names" <"$template" >"$file"
done
