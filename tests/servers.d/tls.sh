# shellcheck shell=bash
# A CA of our own and a certificate for `localhost`, not for 127.0.0.1, so that a wrong name can be tried. Tests make
# certificates for clients with the same CA.

openssl_installed() { command -v openssl >/dev/null; }

# The last file is the sign that all are there.
tls_prepare() {
  local folder=$DATA/tls
  if [[ -e $folder/server.pem ]]; then return; fi
  mkdir -p "$folder"
  # Without the extensions that the system's configuration would add.
  printf '[req]\ndistinguished_name = name\n[name]\n' >"$folder/openssl.cnf"
  tls_certificate ca "/CN=CA of tests" -addext basicConstraints=critical,CA:TRUE
  tls_certificate server /CN=localhost -addext subjectAltName=DNS:localhost -CA "$folder/ca.pem" -CAkey "$folder/ca.key"
}

tls_certificate() {
  local folder=$DATA/tls name=$1 subject=$2
  shift 2
  openssl req -x509 -config "$folder/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
    -subj "$subject" -keyout "$folder/$name.key" -out "$folder/$name.pem.new" "$@" 2>"$folder/openssl.log" ||
    fail "openssl made no certificate; its log: $folder/openssl.log"
  mv "$folder/$name.pem.new" "$folder/$name.pem"
}
