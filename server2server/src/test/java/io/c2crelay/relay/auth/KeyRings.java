package io.c2crelay.relay.auth;

import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.SharedKey;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** Key rings whose keys are derived when the test says so. */
public final class KeyRings {
  private KeyRings() {}

  public static KeyRing of(List<CompletableFuture<MutualAuth>> keys) {
    List<KeyRing.Entry> entries =
        keys.stream()
            .map(key -> new KeyRing.Entry(SharedKey.of("key " + keys.indexOf(key)), key))
            .collect(Collectors.toList());
    return new KeyRing(entries);
  }
}
