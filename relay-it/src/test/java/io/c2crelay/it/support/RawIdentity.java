package io.c2crelay.it.support;

import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Date;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** A self-signed ECDSA P-256 certificate and a TLS server context that presents it. */
public final class RawIdentity {

  private final SSLContext context;
  private final X509Certificate certificate;

  private RawIdentity(SSLContext context, X509Certificate certificate) {
    this.context = context;
    this.certificate = certificate;
  }

  public static RawIdentity create() {
    return of("c2crelay");
  }

  /** Uses this host name as CN and subjectAltName. */
  public static RawIdentity of(String host) {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      KeyPair pair = generator.generateKeyPair();
      X500Principal name = new X500Principal("CN=" + host);
      GeneralNames names = new GeneralNames(new GeneralName(GeneralName.dNSName, host));
      Instant now = Instant.now();
      X509Certificate certificate =
          new JcaX509CertificateConverter()
              .getCertificate(
                  new JcaX509v3CertificateBuilder(
                          name,
                          new BigInteger(64, new java.security.SecureRandom()).add(BigInteger.ONE),
                          Date.from(now.minus(1, ChronoUnit.DAYS)),
                          Date.from(now.plus(365, ChronoUnit.DAYS)),
                          name,
                          pair.getPublic())
                      .addExtension(Extension.subjectAlternativeName, false, names)
                      .build(
                          new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate())));
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      char[] password = "unused".toCharArray();
      store.setKeyEntry("relay", pair.getPrivate(), password, new X509Certificate[] {certificate});
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, password);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), null, null);
      return new RawIdentity(context, certificate);
    } catch (Exception e) {
      throw new AssertionError("cannot create a certificate", e);
    }
  }

  public SSLContext context() {
    return context;
  }

  public X509Certificate certificate() {
    return certificate;
  }

  /** The tls-server-end-point channel binding (RFC 5929). */
  byte[] channelBinding() {
    try {
      return Bulk.sha256().digest(certificate.getEncoded());
    } catch (CertificateEncodingException e) {
      throw new AssertionError(e);
    }
  }
}
