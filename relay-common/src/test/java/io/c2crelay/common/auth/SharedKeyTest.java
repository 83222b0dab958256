package io.c2crelay.common.auth;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SharedKeyTest {
  /** Computed with Python: pbkdf2_hmac("sha256", key, b"c2crelay/1 key", 600000, 32). */
  private static final String ASCII_DERIVED =
      "698e3414f8e86961d8a4f97fd264438d11387716cb27b5f502b9468c317bf71a";

  private static final String NON_ASCII_DERIVED =
      "0291253eb4d88bd035be0c70b4bfdffaf60ac8cdd9c04f910b6abb15bc31458d";

  @ParameterizedTest
  @CsvSource(
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "correct horse battery staple," + ASCII_DERIVED,
        "' \t\r\ncorrect horse battery staple\n '," + ASCII_DERIVED,
        "Schl\u00fcssel-\u9375-\uD83D\uDD11," + NON_ASCII_DERIVED,
        // decomposed: u and a combining diaeresis
        "Schlu\u0308ssel-\u9375-\uD83D\uDD11," + NON_ASCII_DERIVED
      })
  void derivationMatchesVectors(String text, String derived) throws Exception {
    MutualAuth actual = SharedKey.of(text).deriveKey().get(30, TimeUnit.SECONDS);
    MutualAuth expected = MutualAuth.of(ByteBufUtil.decodeHexDump(derived));
    Frame.Auth auth =
        Frame.Auth.of(
            new byte[32],
            InstanceId.read(Unpooled.wrappedBuffer(new byte[16])),
            1,
            ServiceName.DEFAULT,
            "any");
    Transcript transcript =
        Transcript.of(
            Preamble.of(Preamble.Kind.CONTROL),
            new byte[32],
            Frame.Challenge.of(1, new byte[32]),
            auth);
    assertThat(expected.verify(transcript, actual.prove(transcript, auth))).isTrue();
    assertThat(actual.verify(transcript, expected.welcome(transcript, 0))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "\t\r\n", "\u0000"})
  void emptyKeyIsRejected(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> SharedKey.of(text))
        .withMessage("the key is empty");
  }

  @ParameterizedTest
  @CsvSource({
    "x, false",
    "1234567890123456789, false",
    "12345678901234567890, true",
    "123456789012345678901, true",
    // measured after trimming and normalisation
    "'  1234567890123456789  ', false",
    "u\u0308234567890123456789, false"
  })
  void isLongFrom20Characters(String text, boolean isLong) {
    assertThat(SharedKey.of(text).isStrong()).isEqualTo(isLong);
  }

  @Test
  void toStringHidesKey() {
    assertThat(SharedKey.of("secret")).hasToString("SharedKey(***)");
  }
}
