package io.c2crelay.server.agent;

import io.c2crelay.server.session.Source;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How many connections may be between the magic and their authentication: in all, and from one
 * source. When full, the oldest of the source that holds most makes room, so a flood from one place
 * shuts out only itself. Safe on any thread.
 */
final class HandshakeLimits {
  private final int max;
  private final int maxPerSource;
  private final Map<Source, Deque<HandshakeGuard>> bySource = new LinkedHashMap<>();
  private int size;

  private HandshakeLimits(int max, int maxPerSource) {
    this.max = max;
    this.maxPerSource = maxPerSource;
  }

  /** For strangers. */
  static HandshakeLimits ofStrangers() {
    return new HandshakeLimits(256, 64);
  }

  /**
   * For those from an attached agent's address: some of them are its dials, of which it has at most
   * 64 in handshake, and which strangers must not crowd out.
   */
  static HandshakeLimits ofNeighbours() {
    return new HandshakeLimits(1024, 512);
  }

  /**
   * Counts one in, and out the one that must go to make room.
   *
   * @return the one that must go, or null
   */
  synchronized @Nullable HandshakeGuard enter(Source source, HandshakeGuard guard) {
    Deque<HandshakeGuard> own = bySource.computeIfAbsent(source, s -> new ArrayDeque<>());
    own.add(guard);
    size++;
    if (own.size() <= maxPerSource && size <= max) {
      return null;
    }
    HandshakeGuard oldest = (own.size() > maxPerSource ? own : largest()).element();
    leave(oldest.source(), oldest);
    return oldest;
  }

  synchronized int size() {
    return size;
  }

  private Deque<HandshakeGuard> largest() {
    Deque<HandshakeGuard> largest = new ArrayDeque<>();
    for (Deque<HandshakeGuard> guards : bySource.values()) {
      if (guards.size() > largest.size()) {
        largest = guards;
      }
    }
    return largest;
  }

  /** Counts one out; it may be gone already. */
  synchronized void leave(Source source, HandshakeGuard guard) {
    Deque<HandshakeGuard> own = bySource.get(source);
    if (own != null && own.remove(guard)) {
      size--;
      if (own.isEmpty()) {
        bySource.remove(source);
      }
    }
  }
}
