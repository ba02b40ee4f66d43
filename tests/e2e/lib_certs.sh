# shellcheck shell=bash
# Certificates for scripts: sourced after lib_cli.sh. Everything goes to $scratch.

command -v openssl >/dev/null || { echo 'needs openssl'; exit 77; }

new_key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$scratch/$1.key" 2>/dev/null
	chmod 600 "$scratch/$1.key"
}

# authority NAME: $scratch/NAME.pem and NAME.key.
authority() {
	new_key "$1"
	openssl req -x509 -new -key "$scratch/$1.key" -subj "/CN=$1" -days 30 -out "$scratch/$1.pem" 2>"$scratch/.openssl" ||
		{ cat "$scratch/.openssl"; exit 1; }
}

# certificate NAME AUTHORITY DAYS [ALTERNATIVE NAMES]: of the subject CN=NAME; with negative days it has expired.
certificate() {
	[ -e "$scratch/$1.key" ] || new_key "$1"
	openssl req -new -key "$scratch/$1.key" -subj "/CN=$1" -out "$scratch/.csr" 2>"$scratch/.openssl" &&
		openssl x509 -req -in "$scratch/.csr" -CA "$scratch/$2.pem" -CAkey "$scratch/$2.key" -CAcreateserial \
			-days "$3" -extfile <(printf 'subjectAltName=%s\n' "${4:-DNS:localhost,IP:127.0.0.1}") \
			-out "$scratch/.pem" 2>"$scratch/.openssl" || { cat "$scratch/.openssl"; exit 1; }
	mv "$scratch/.pem" "$scratch/$1.pem"
}
