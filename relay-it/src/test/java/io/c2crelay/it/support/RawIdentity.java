package io.c2crelay.it.support;

import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Date;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A self-signed certificate, ECDSA P-256, as anyone can make one, and the TLS context of a server
 * that shows it.
 */
public final class RawIdentity {

  private final SSLContext context;
  private final byte[] binding;

  private RawIdentity(SSLContext context, byte[] binding) {
    this.context = context;
    this.binding = binding;
  }

  public static RawIdentity create() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      KeyPair pair = generator.generateKeyPair();
      X500Principal name = new X500Principal("CN=c2crelay");
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
      return new RawIdentity(context, Bulk.sha256().digest(certificate.getEncoded()));
    } catch (Exception e) {
      throw new AssertionError("no certificate", e);
    }
  }

  SSLContext context() {
    return context;
  }

  byte[] binding() {
    return binding.clone();
  }
}
