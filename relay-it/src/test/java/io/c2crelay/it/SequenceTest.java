package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.c2crelay.it.support.Ending;
import io.c2crelay.it.support.Sequence;
import io.c2crelay.it.support.Wire;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SequenceTest {

  private static final int LENGTH = 40_000;

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 9, 1_000, 16_384, 16_385, LENGTH})
  void chunksOfAnySizeVerify(int chunk) throws IOException {
    ByteArrayOutputStream written = new ByteArrayOutputStream();
    Sequence writer = Sequence.toTarget(7);
    for (int left = LENGTH; left > 0; left -= chunk) {
      writer.write(written, Math.min(chunk, left));
    }
    assertThat(written.toByteArray()).isEqualTo(Sequence.toTarget(7).next(LENGTH));
    Sequence reader = Sequence.toTarget(7);
    byte[] bytes = written.toByteArray();
    for (int i = 0; i < LENGTH; i += chunk) {
      reader.verify(bytes, i, Math.min(chunk, LENGTH - i));
    }
    assertThat(reader.position()).isEqualTo(LENGTH);
  }

  static Stream<Arguments> damages() {
    byte[] other = Sequence.toTarget(8).next(LENGTH);
    return Stream.of(
        damage("a byte lost", b -> Wire.concat(cut(b, 0, 20_001), cut(b, 20_002, LENGTH))),
        damage("a byte duplicated", b -> Wire.concat(cut(b, 0, 20_001), cut(b, 20_000, LENGTH))),
        damage("8 KiB lost", b -> Wire.concat(cut(b, 0, 8_192), cut(b, 16_384, LENGTH))),
        damage("pieces swapped", b -> Wire.concat(cut(b, 8, 16), cut(b, 0, 8), cut(b, 16, LENGTH))),
        damage("another session", b -> other),
        damage(
            "part of another session at the same position",
            b -> Wire.concat(cut(b, 0, 999), cut(other, 999, 1_050), cut(b, 1_050, LENGTH))),
        damage("the other direction", b -> Sequence.toUser(7).next(LENGTH)));
  }

  private static Arguments damage(String name, UnaryOperator<byte[]> change) {
    return Arguments.of(name, change);
  }

  private static byte[] cut(byte[] bytes, int from, int to) {
    return Arrays.copyOfRange(bytes, from, to);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void damageIsDetected(String name, UnaryOperator<byte[]> change) {
    byte[] good = Sequence.toTarget(7).next(LENGTH);
    byte[] bad = change.apply(good);
    assertThatCode(() -> Sequence.toTarget(7).verify(good)).doesNotThrowAnyException();
    assertThatThrownBy(() -> Sequence.toTarget(7).verify(bad))
        .as(name)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("session 7 to target at byte " + Arrays.mismatch(good, bad));
  }

  @Test
  void failureNamesOrigin() {
    byte[] mixed =
        Wire.concat(
            cut(Sequence.toTarget(7).next(100), 0, 100),
            cut(Sequence.toUser(4_000_000).next(LENGTH), 333, LENGTH));
    assertThatThrownBy(() -> Sequence.toTarget(7).verify(mixed))
        .hasMessageContaining("session 7 to target at byte 100")
        .hasMessageContaining("from session 4000000 to user at byte 333");
  }

  @Test
  void firstBytesIdentifySession() throws IOException {
    ByteArrayInputStream in = new ByteArrayInputStream(Sequence.toTarget(12_345).next(LENGTH));
    Sequence read = Sequence.toTarget(in);
    assertThat(read.session()).isEqualTo(12_345);
    assertThat(read.readToEnd(in)).isEqualTo(Ending.FIN);
    assertThat(read.position()).isEqualTo(LENGTH);
  }

  @Test
  void wrongFirstBytesAreRefused() {
    byte[] late = cut(Sequence.toTarget(12_345).next(LENGTH), 8, LENGTH);
    assertThatThrownBy(() -> Sequence.toTarget(new ByteArrayInputStream(late)))
        .isInstanceOf(AssertionError.class);
    byte[] otherWay = Sequence.toUser(12_345).next(LENGTH);
    assertThatThrownBy(() -> Sequence.toTarget(new ByteArrayInputStream(otherWay)))
        .isInstanceOf(AssertionError.class);
  }
}
