package io.c2crelay.client.control;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.client.RelayEnd;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.tls.Identity;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ControlHandshakeTest implements ControlHandshake.Outcome {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final byte[] NONCE = new byte[32];
  private static final Frame.Challenge CHALLENGE = Frame.Challenge.of(1, NONCE);

  private static MutualAuth right;
  private static MutualAuth wrong;
  private static Identity identity;

  private final InstanceId instance = InstanceId.random(RANDOM);
  private final List<String> outcomes = new ArrayList<>();
  private final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
  private byte[] toldBinding;
  private Throwable cause;
  private RelayEnd relay;

  @BeforeAll
  static void stretch() throws Exception {
    CompletableFuture<MutualAuth> other = SharedKey.of("another key").stretch();
    right = SharedKey.of("the key").stretch().get();
    wrong = other.get();
    identity = Identity.create(RANDOM);
  }

  @BeforeEach
  void connect() throws Exception {
    relay =
        RelayEnd.ofControl(
            identity, new ControlHandshake(key, RANDOM, instance, 7, "lab", "host:22", this));
  }

  @AfterEach
  void close() {
    relay.close();
    assertThat(outcomes).as("one outcome").hasSize(1);
  }

  @Override
  public void authenticated(ChannelHandlerContext ctx, byte[] binding) {
    toldBinding = binding;
    outcomes.add("authenticated");
  }

  @Override
  public void impostor() {
    outcomes.add("impostor");
  }

  @Override
  public void refused() {
    outcomes.add("refused");
  }

  @Override
  public void failed(Throwable fault) {
    cause = fault;
    outcomes.add("failed");
  }

  // --- in order ---

  @Test
  void challengeAuthWelcome() throws Exception {
    key.complete(right);
    assertThat(relay.received()).as("the relay speaks first").isNull();
    Frame.Auth auth = challenged();
    assertThat(auth.instance()).isEqualTo(instance);
    assertThat(auth.epoch()).isEqualTo(7);
    assertThat(auth.label()).isEqualTo("lab");
    assertThat(auth.targetDigest()).isEqualTo(right.digestOfTarget("host:22"));
    Transcript transcript = transcript(identity, auth);
    assertThat(right.holds(transcript, auth)).isTrue();
    assertThat(wrong.holds(transcript, auth)).isFalse();
    assertThat(outcomes).isEmpty();
    relay.send(right.welcome(transcript, 0));
    assertThat(outcomes).containsExactly("authenticated");
    assertThat(toldBinding).isEqualTo(identity.binding());
    assertThat(relay.agent().pipeline().get(ControlHandshake.class)).isNull();
    relay.pass(1, TimeUnit.HOURS);
    assertThat(relay.agent().isOpen()).as("no timer is left").isTrue();
  }

  @Test
  void eachAnswerHasANonceOfItsOwn() throws Exception {
    key.complete(right);
    Frame.Auth first = challenged();
    close();
    outcomes.clear();
    connect();
    Frame.Auth second = challenged();
    assertThat(payload(first).subList(0, 32)).isNotEqualTo(payload(second).subList(0, 32));
    relay.hangUp();
  }

  @Test
  void theAnswerWaitsForTheKey() throws Exception {
    relay.send(CHALLENGE);
    assertThat(relay.received()).isNull();
    relay.pass(9, TimeUnit.SECONDS);
    key.complete(right);
    relay.carry();
    Frame.Auth auth = (Frame.Auth) relay.received();
    relay.send(right.welcome(transcript(identity, auth), 0));
    assertThat(outcomes).containsExactly("authenticated");
  }

  // --- who is there ---

  @Test
  void aWrongProofIsAnImpostors() throws Exception {
    key.complete(right);
    Frame.Auth auth = challenged();
    relay.send(wrong.welcome(transcript(identity, auth), 0));
    assertFailed("impostor");
  }

  @Test
  void aReflectedProofIsAnImpostors() {
    key.complete(right);
    Frame.Auth auth = challenged();
    relay.send(Frame.Welcome.of(auth.proof(), 0));
    assertFailed("impostor");
  }

  @Test
  void aProofForAnotherCertificateIsAnImpostors() throws Exception {
    key.complete(right);
    Frame.Auth auth = challenged();
    Transcript elsewhere = transcript(Identity.create(RANDOM), auth);
    assertThat(right.holds(elsewhere, auth)).as("what the real relay would see").isFalse();
    relay.send(right.welcome(elsewhere, 0));
    assertFailed("impostor");
  }

  // --- out of order ---

  @Test
  void aDataModeThatThisBuildDoesNotKnowIsNoRefusal() throws Exception {
    key.complete(right);
    Frame.Auth auth = challenged();
    relay.send(right.welcome(transcript(identity, auth), 1));
    assertFailed("failed");
    assertThat(cause)
        .hasMessage("the relay sent what this version cannot accept: WELCOME of data mode 1");
  }

  @Test
  void aVersionThatThisBuildDoesNotKnowFails() {
    key.complete(right);
    relay.send(Frame.Challenge.of(2, NONCE));
    assertThat(relay.received()).isNull();
    assertFailed("failed");
  }

  @Test
  void nothingButChallengeComesFirst() throws Exception {
    for (Frame frame :
        List.of(
            Frame.Welcome.of(NONCE, 0),
            Frame.Ping.of(1),
            Frame.Dial.of(List.of()),
            Frame.GoAway.of(ReasonCode.DRAINING))) {
      RelayEnd other =
          RelayEnd.ofControl(
              identity, new ControlHandshake(key, RANDOM, instance, 7, "lab", "host:22", this));
      other.send(frame);
      assertThat(other.agent().isOpen()).as("after %s", frame).isFalse();
      assertThat(outcomes).containsExactly("failed");
      outcomes.clear();
      other.close();
    }
    relay.hangUp();
  }

  @Test
  void nothingButWelcomeComesSecond() {
    key.complete(right);
    challenged();
    relay.send(CHALLENGE);
    assertFailed("failed");
  }

  @Test
  void welcomeBeforeTheAnswerFails() {
    relay.send(CHALLENGE);
    relay.send(Frame.Welcome.of(NONCE, 0));
    key.complete(right);
    relay.carry();
    assertFailed("failed");
  }

  @Test
  void bytesThatAreNoFrameFail() {
    relay.send(Unpooled.copyInt(0x7f000000));
    assertFailed("failed");
    assertThat(cause).isInstanceOf(ProtocolException.class);
  }

  // --- the end ---

  @Test
  void aCloseBeforeTheAnswerIsNoRefusal() {
    relay.hangUp();
    assertFailed("failed");
  }

  @Test
  void aCloseAfterTheAnswerIsARefusal() {
    key.complete(right);
    challenged();
    relay.hangUp();
    assertFailed("refused");
  }

  @Test
  void aCloseWhileTheKeyIsMadeIsNoRefusal() {
    relay.send(CHALLENGE);
    relay.hangUp();
    key.complete(right);
    relay.carry();
    assertThat(relay.received()).isNull();
    assertFailed("failed");
  }

  @Test
  void aKeyThatCannotBeMadeFails() {
    key.completeExceptionally(new IllegalStateException("no PBKDF2"));
    relay.send(CHALLENGE);
    assertFailed("failed");
    assertThat(cause).hasMessage("no PBKDF2");
  }

  @Test
  void tenSecondsAreEnoughForAll() {
    key.complete(right);
    challenged();
    relay.pass(9_999, TimeUnit.MILLISECONDS);
    assertThat(outcomes).isEmpty();
    relay.pass(1, TimeUnit.MILLISECONDS);
    assertFailed("failed");
  }

  private void assertFailed(String outcome) {
    assertThat(outcomes).containsExactly(outcome);
    assertThat(relay.agent().isOpen()).isFalse();
  }

  private Frame.Auth challenged() {
    relay.send(CHALLENGE);
    return (Frame.Auth) relay.received();
  }

  private static Transcript transcript(Identity seen, Frame.Auth auth) throws Exception {
    return Transcript.of(Preamble.of(Preamble.Kind.CONTROL), seen.binding(), CHALLENGE, auth);
  }

  private static List<Byte> payload(Frame frame) {
    var out = Unpooled.buffer();
    frame.writePayload(out);
    List<Byte> bytes = new ArrayList<>();
    while (out.isReadable()) {
      bytes.add(out.readByte());
    }
    return bytes;
  }
}
