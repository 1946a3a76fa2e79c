#include "app/health/certificate.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/random.h>

namespace weir::app {
namespace {

constexpr std::time_t kDay = 24 * 3600;
constexpr const char* kName = "weir health check";

struct Parts {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t certificate = nullptr;
  Parts() {
    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&certificate);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() {
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
  }
};

std::string take(gnutls_datum_t& datum) {
  std::string text(reinterpret_cast<const char*>(datum.data), datum.size);
  gnutls_free(datum.data);
  return text;
}

int fill(const Parts& parts) {
  const std::time_t now = std::time(nullptr);
  std::array<std::uint8_t, 16> serial;
  if (::getrandom(serial.data(), serial.size(), 0) < 0) return GNUTLS_E_RANDOM_FAILED;
  serial[0] &= 0x7f;
  gnutls_x509_crt_t c = parts.certificate;
  int e = gnutls_x509_privkey_generate(parts.key, GNUTLS_PK_ECDSA,
                                       GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (e >= 0) e = gnutls_x509_crt_set_version(c, 3);
  if (e >= 0) e = gnutls_x509_crt_set_serial(c, serial.data(), serial.size());
  if (e >= 0) e = gnutls_x509_crt_set_activation_time(c, now - kDay);
  if (e >= 0) e = gnutls_x509_crt_set_expiration_time(c, now + 3650 * kDay);
  if (e >= 0)
    e = gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, kName,
                                      static_cast<unsigned>(std::strlen(kName)));
  if (e >= 0) e = gnutls_x509_crt_set_key(c, parts.key);
  if (e >= 0) e = gnutls_x509_crt_set_key_usage(c, GNUTLS_KEY_DIGITAL_SIGNATURE);
  if (e >= 0) e = gnutls_x509_crt_sign2(c, c, parts.key, GNUTLS_DIG_SHA256, 0);
  return e;
}

Result<std::string> read(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  if (!in) return fail(name + ": " + std::strerror(errno));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

Result<Certificate> make_certificate() {
  const Parts parts;
  int e = fill(parts);
  Certificate made;
  gnutls_datum_t datum{};
  if (e >= 0) e = gnutls_x509_crt_export2(parts.certificate, GNUTLS_X509_FMT_PEM, &datum);
  if (e >= 0) made.certificate = take(datum);
  if (e >= 0) e = gnutls_x509_privkey_export2(parts.key, GNUTLS_X509_FMT_PEM, &datum);
  if (e >= 0) made.key = take(datum);
  if (e < 0) return fail(std::string("no certificate could be made: ") + gnutls_strerror(e));
  return made;
}

Result<Certificate> read_certificate(const std::string& certificate_file,
                                     const std::string& key_file) {
  auto certificate = read(certificate_file);
  if (!certificate) return Unexpected(Error{certificate.error()});
  auto key = read(key_file);
  if (!key) return Unexpected(Error{key.error()});
  return Certificate{std::move(*certificate), std::move(*key)};
}

}  // namespace weir::app
