package io.c2crelay.relay.auth;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.SharedKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

class KeyRingTest {
  private static final MutualAuth FIRST = SharedKey.of("first").deriveKey().join();
  private static final MutualAuth SECOND = SharedKey.of("second").deriveKey().join();

  private static List<SharedKey> keys(String... texts) {
    List<SharedKey> keys = new ArrayList<>();
    for (String text : texts) {
      keys.add(SharedKey.of(text, "name of " + text));
    }
    return keys;
  }

  /** Accepts the key that has made the proof. */
  private static Predicate<MutualAuth> is(MutualAuth key) {
    return other -> Arrays.equals(other.digestOfTarget("any"), key.digestOfTarget("any"));
  }

  private static KeyRing.Entry find(KeyRing ring, MutualAuth key) throws Exception {
    return ring.find(is(key)).get(30, SECONDS).orElseThrow();
  }

  @Test
  void findsAnyOfItsKeys() throws Exception {
    KeyRing ring = KeyRing.of(keys("first", "second"));
    assertThat(find(ring, FIRST).name()).isEqualTo("name of first");
    assertThat(find(ring, SECOND).name()).isEqualTo("name of second");
    assertThat(ring.find(key -> false).get(30, SECONDS)).isEmpty();
  }

  @Test
  void keyIsFoundBeforeLaterOnesAreDerived() {
    CompletableFuture<MutualAuth> second = new CompletableFuture<>();
    KeyRing ring = KeyRings.of(List.of(CompletableFuture.completedFuture(FIRST), second));
    assertThat(ring.find(is(FIRST))).isCompleted();
    CompletableFuture<Optional<KeyRing.Entry>> found = ring.find(is(SECOND));
    assertThat(found).isNotDone();
    second.complete(SECOND);
    assertThat(found.join()).isPresent();
  }

  @Test
  void failedDerivationIsAFailure() {
    CompletableFuture<MutualAuth> failed = new CompletableFuture<>();
    failed.completeExceptionally(new IllegalStateException("no PBKDF2"));
    assertThat(KeyRings.of(List.of(failed)).find(key -> true)).isCompletedExceptionally();
  }

  @Test
  void keyThatCouldNotBeDerivedIsDerivedAgain() throws Exception {
    CompletableFuture<MutualAuth> failed = new CompletableFuture<>();
    KeyRing ring = KeyRings.of(List.of(failed)); // its text is "key 0"
    ring.replace(keys("key 0"));
    failed.completeExceptionally(new OutOfMemoryError());
    ring.replace(keys("key 0"));
    assertThat(ring.find(key -> true).get(30, SECONDS)).isPresent();
  }

  /** What is removed is so at once; what stays is not derived again. */
  @Test
  void replacementKeepsWhatStays() throws Exception {
    KeyRing ring = KeyRing.of(keys("first", "second"));
    KeyRing.Entry first = find(ring, FIRST);
    KeyRing.Entry second = find(ring, SECOND);
    KeyRing.Change change = ring.replace(keys("third", "second", "second"));
    assertThat(change.keys()).isEqualTo(2);
    assertThat(change.added()).isEqualTo(1);
    assertThat(change.removed()).isEqualTo(1);
    assertThat(ring.contains(first)).isFalse();
    assertThat(ring.contains(second)).isTrue();
    assertThat(ring.find(is(SECOND))).as("derived already").isCompleted();
    assertThat(ring.find(is(FIRST)).get(30, SECONDS)).isEmpty();
  }
}
