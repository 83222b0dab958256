package io.c2crelay.server.accept;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** The table of docs/protocol.md section 1 once more, without channels, buffers or timers. */
final class ClassifierModel {
  static final long GRACE_MILLIS = 25;

  private static final long PREFIX_MILLIS = 1000;
  private static final long PREAMBLE_MILLIS = 2000;
  private static final byte[] MAGIC = HexFormat.of().parseHex("c24332430d0a1a0a");

  private enum State {
    NEW,
    TENTATIVE,
    PREFIX,
    PREAMBLE,
    USER,
    AGENT,
    CLOSED
  }

  private State state = State.NEW;
  private long nowMillis;
  private long deadlineMillis = GRACE_MILLIS;
  private boolean silent;
  private boolean spokenTo;
  private int finsPassedOn;
  private final List<String> said = new ArrayList<>();
  private final ByteArrayOutputStream held = new ByteArrayOutputStream();
  private final ByteArrayOutputStream heldWrites = new ByteArrayOutputStream();
  private final ByteArrayOutputStream toUser = new ByteArrayOutputStream();
  private final ByteArrayOutputStream toAgent = new ByteArrayOutputStream();
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();

  // --- events ---

  void receive(byte[] bytes) {
    switch (state) {
      case USER -> toUser.writeBytes(bytes);
      case AGENT -> toAgent.writeBytes(bytes);
      case NEW, TENTATIVE, PREFIX, PREAMBLE -> {
        held.writeBytes(bytes);
        if (held.size() > 0) {
          classify(held.toByteArray());
        }
      }
      case CLOSED -> throw new AssertionError("closed");
    }
  }

  private void classify(byte[] first) {
    int common = Math.min(first.length, MAGIC.length);
    if (!Arrays.equals(first, 0, common, MAGIC, 0, common)) {
      becomeUser();
    } else if (common < MAGIC.length) {
      if (state != State.PREFIX) {
        state = State.PREFIX;
        deadlineMillis = nowMillis + PREFIX_MILLIS;
      }
    } else {
      magic(first);
    }
  }

  private void magic(byte[] first) {
    if (spokenTo) {
      closed();
      return;
    }
    if (state != State.PREAMBLE) {
      state = State.PREAMBLE;
      deadlineMillis = nowMillis + PREAMBLE_MILLIS;
      if (silent) {
        said.add("not a user");
      }
      said.add("magic");
    }
    if (first.length >= 16) {
      int lowest = first[8] & 0xFF;
      int highest = first[9] & 0xFF;
      int kind = first[10] & 0xFF;
      if (kind > 2 || lowest > highest) {
        closed();
      } else {
        said.add("agent " + kind);
        state = State.AGENT;
        toAgent.write(first, 16, first.length - 16);
      }
    }
  }

  private void becomeUser() {
    if (!silent) {
      said.add("user");
    } else if (!spokenTo) {
      said.add("confirmed");
    }
    state = State.USER;
    toUser.writeBytes(held.toByteArray());
    written.writeBytes(heldWrites.toByteArray());
  }

  void write(byte[] bytes) {
    switch (state) {
      case PREFIX -> heldWrites.writeBytes(bytes);
      case TENTATIVE -> {
        if (!spokenTo) {
          spokenTo = true;
          said.add("confirmed");
        }
        written.writeBytes(bytes);
      }
      case USER -> written.writeBytes(bytes);
      default -> throw new AssertionError(state);
    }
  }

  void fin() {
    switch (state) {
      case NEW, PREAMBLE -> closed();
      case PREFIX -> {
        becomeUser();
        finsPassedOn++;
      }
      case TENTATIVE, USER, AGENT -> finsPassedOn++;
      case CLOSED -> throw new AssertionError("closed");
    }
  }

  void pass(long millis) {
    nowMillis += millis;
    if (nowMillis < deadlineMillis) {
      return;
    }
    switch (state) {
      case NEW -> {
        state = State.TENTATIVE;
        silent = true;
        said.add("silent user");
      }
      case PREFIX -> becomeUser();
      case PREAMBLE -> closed();
      default -> {}
    }
  }

  void closed() {
    state = State.CLOSED;
  }

  // --- what comes of them ---

  /** Someone may write to the connection, or move it: it is a user's, for all that is known. */
  boolean isUser() {
    return state == State.USER || silent && (state == State.TENTATIVE || state == State.PREFIX);
  }

  boolean isSettled() {
    return state == State.USER || state == State.AGENT;
  }

  boolean isOpen() {
    return state != State.CLOSED;
  }

  List<String> said() {
    return said;
  }

  int finsPassedOn() {
    return finsPassedOn;
  }

  byte[] toUser() {
    return toUser.toByteArray();
  }

  byte[] toAgent() {
    return toAgent.toByteArray();
  }

  byte[] written() {
    return written.toByteArray();
  }
}
