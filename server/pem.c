#include "server/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <time.h>

/* A key with a passphrase is not asked for one. */
static int
no_passphrase(char *buf, int size, int writing, void *context)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)context = true;
	return -1;
}

static X509 *
next_certificate(BIO *bio)
{
	return bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

/* Did reading end because there is no further certificate, or because one is broken? */
static bool
broken(void)
{
	unsigned long error = ERR_peek_last_error();

	return error != 0 && !(ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
}

static int64_t
seconds_of(const ASN1_TIME *time)
{
	struct tm utc;

	return ASN1_TIME_to_tm(time, &utc) == 1 ? (int64_t)timegm(&utc) : 0;
}

static void
day_of(const ASN1_TIME *time, char *buf, size_t size)
{
	struct tm utc;

	if (ASN1_TIME_to_tm(time, &utc) != 1 || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		buf[0] = '\0';
}

static bool
is_valid_now(const X509 *certificate)
{
	return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
	       X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static enum pq_status
check_times(const char *path, const X509 *certificate, struct pq_err *err)
{
	char day[32];

	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
		day_of(X509_get0_notAfter(certificate), day, sizeof(day));
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "the certificate expired at %s", day);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0) {
		day_of(X509_get0_notBefore(certificate), day, sizeof(day));
		return pq_fail_at(err, PQ_EINVAL, path, 0, 0, "the certificate is not valid before %s", day);
	}
	return PQ_OK;
}

static enum pq_status
check_key(const char *cert_path, X509 *certificate, const char *key_path, const char *text, struct pq_err *err)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	bool locked = false;
	enum pq_status status = PQ_OK;
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &locked) : NULL;

	if (key == NULL)
		status = pq_fail_at(err, PQ_EINVAL, key_path, 0, 0,
		                    locked ? "the key has a passphrase, and nobody is there to give it"
		                           : "holds no private key in PEM");
	else if (X509_check_private_key(certificate, key) != 1)
		status = pq_fail_at(err, PQ_EINVAL, key_path, 0, 0, "is not the key of the certificate in %.100s", cert_path);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return status;
}

enum pq_status
pq_pem_check_pair(const char *cert_path, const char *cert, const char *key_path, const char *key,
                  int64_t *ret_not_after, struct pq_err *err)
{
	ERR_clear_error();
	BIO *bio = BIO_new_mem_buf(cert, -1);
	X509 *certificate = next_certificate(bio);
	enum pq_status status;

	if (certificate == NULL)
		status = pq_fail_at(err, PQ_EINVAL, cert_path, 0, 0, "holds no certificate in PEM");
	else
		status = check_times(cert_path, certificate, err);
	if (status == PQ_OK)
		status = check_key(cert_path, certificate, key_path, key, err);
	if (status == PQ_OK)
		*ret_not_after = seconds_of(X509_get0_notAfter(certificate));
	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return status;
}

enum pq_status
pq_pem_check_authorities(const char *path, const char *text, struct pq_err *err)
{
	ERR_clear_error();
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate;
	size_t n = 0, n_valid = 0;
	enum pq_status status = PQ_OK;

	while ((certificate = next_certificate(bio)) != NULL) {
		n++;
		n_valid += is_valid_now(certificate);
		X509_free(certificate);
	}
	if (broken())
		status = pq_fail_at(err, PQ_EINVAL, path, 0, 0, "certificate %zu cannot be read", n + 1);
	else if (n == 0)
		status = pq_fail_at(err, PQ_EINVAL, path, 0, 0, "holds no certificate in PEM");
	else if (n_valid == 0)
		status = pq_fail_at(err, PQ_EINVAL, path, 0, 0, "no certificate in it is valid now");
	BIO_free(bio);
	ERR_clear_error();
	return status;
}
