package io.c2crelay.common.tls;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import org.junit.jupiter.api.Test;

class IdentityTest {
  private final SecureRandom random = new SecureRandom();

  @Test
  void certificateIsSelfSignedOverP256() throws Exception {
    X509Certificate certificate = Identity.create(random).certificate();
    certificate.verify(certificate.getPublicKey());
    assertThat(certificate.getIssuerX500Principal())
        .isEqualTo(certificate.getSubjectX500Principal());
    assertThat(certificate.getSigAlgName()).isEqualTo("SHA256withECDSA");
    assertThat(certificate.getVersion()).isEqualTo(3);
    ECPublicKey key = (ECPublicKey) certificate.getPublicKey();
    assertThat(key.getParams().getOrder().bitLength()).isEqualTo(256);
    assertThat(key.getParams().toString()).contains("secp256r1");
    assertThat(certificate.getSerialNumber().signum()).isNotNegative();
  }

  @Test
  void certificateIsValidForThirtyYears() throws Exception {
    X509Certificate certificate = Identity.create(random).certificate();
    Instant now = Instant.now();
    certificate.checkValidity(Date.from(now.minus(Duration.ofHours(23))));
    certificate.checkValidity(Date.from(now));
    certificate.checkValidity(Date.from(now.plus(Duration.ofDays(365 * 30 - 1))));
  }

  @Test
  void privateKeyMatchesCertificate() throws Exception {
    Identity identity = Identity.create(random);
    Signature signature = Signature.getInstance("SHA256withECDSA");
    signature.initSign(identity.privateKey());
    signature.update(new byte[] {1});
    byte[] signed = signature.sign();
    signature.initVerify(identity.certificate());
    signature.update(new byte[] {1});
    assertThat(signature.verify(signed)).isTrue();
  }

  @Test
  void bindingIsSha256OfCertificate() throws Exception {
    Identity identity = Identity.create(random);
    byte[] der = identity.certificate().getEncoded();
    assertThat(identity.binding())
        .isEqualTo(MessageDigest.getInstance("SHA-256").digest(der))
        .isEqualTo(Identity.bindingOf(identity.certificate()))
        .hasSize(32);
  }

  @Test
  void identitiesDiffer() throws Exception {
    Identity one = Identity.create(random);
    Identity other = Identity.create(random);
    assertThat(one.binding()).isNotEqualTo(other.binding());
    assertThat(one.certificate().getPublicKey()).isNotEqualTo(other.certificate().getPublicKey());
    assertThat(one.certificate().getSerialNumber())
        .isNotEqualTo(other.certificate().getSerialNumber());
  }
}
