package io.c2crelay.agent.control;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.RelayEnd;
import io.c2crelay.common.auth.MutualAuth;
import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
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

class ControlHandshakeTest implements ControlHandshake.Listener {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final ServiceName SERVICE = ServiceName.parse("--service", "ssh");
  private static final byte[] NONCE = new byte[32];
  private static final Frame.Challenge CHALLENGE = Frame.Challenge.of(1, NONCE);

  private static MutualAuth validKey;
  private static MutualAuth wrongKey;
  private static Identity identity;

  private final InstanceId instance = InstanceId.random(RANDOM);
  private final List<String> outcomes = new ArrayList<>();
  private final CompletableFuture<MutualAuth> key = new CompletableFuture<>();
  private byte[] channelBinding;
  private Throwable cause;
  private RelayEnd relay;

  @BeforeAll
  static void deriveKey() throws Exception {
    CompletableFuture<MutualAuth> other = SharedKey.of("another key").deriveKey();
    validKey = SharedKey.of("the key").deriveKey().get();
    wrongKey = other.get();
    identity = Identity.create(RANDOM);
  }

  @BeforeEach
  void connect() throws Exception {
    relay =
        RelayEnd.ofControl(
            identity,
            new ControlHandshake(key, RANDOM, instance, 7, SERVICE, "lab", "host:22", this));
  }

  @AfterEach
  void close() {
    relay.close();
    assertThat(outcomes).as("one outcome").hasSize(1);
  }

  @Override
  public void authenticated(ChannelHandlerContext ctx, byte[] binding) {
    channelBinding = binding;
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

  // --- success ---

  @Test
  void challengeAuthWelcome() throws Exception {
    key.complete(validKey);
    assertThat(relay.received()).as("frame before CHALLENGE").isNull();
    Frame.Auth auth = challenged();
    assertThat(auth.instance()).isEqualTo(instance);
    assertThat(auth.epoch()).isEqualTo(7);
    assertThat(auth.service()).isEqualTo(SERVICE);
    assertThat(auth.label()).isEqualTo("lab");
    assertThat(auth.targetDigest()).isEqualTo(validKey.digestOfTarget("host:22"));
    Transcript transcript = transcript(identity, auth);
    assertThat(validKey.verify(transcript, auth)).isTrue();
    assertThat(wrongKey.verify(transcript, auth)).isFalse();
    assertThat(outcomes).isEmpty();
    relay.send(validKey.welcome(transcript, 0));
    assertThat(outcomes).containsExactly("authenticated");
    assertThat(channelBinding).isEqualTo(identity.binding());
    assertThat(relay.agent().pipeline().get(ControlHandshake.class)).isNull();
    relay.advanceTime(1, TimeUnit.HOURS);
    assertThat(relay.agent().isOpen()).as("open after the timeout").isTrue();
  }

  @Test
  void everyAuthHasNewNonce() throws Exception {
    key.complete(validKey);
    Frame.Auth first = challenged();
    close();
    outcomes.clear();
    connect();
    Frame.Auth second = challenged();
    assertThat(payload(first).subList(0, 32)).isNotEqualTo(payload(second).subList(0, 32));
    relay.disconnect();
  }

  @Test
  void authWaitsForKey() throws Exception {
    relay.send(CHALLENGE);
    assertThat(relay.received()).isNull();
    relay.advanceTime(9, TimeUnit.SECONDS);
    key.complete(validKey);
    relay.pump();
    Frame.Auth auth = (Frame.Auth) relay.received();
    relay.send(validKey.welcome(transcript(identity, auth), 0));
    assertThat(outcomes).containsExactly("authenticated");
  }

  // --- wrong proofs ---

  @Test
  void wrongProofIsImpostor() throws Exception {
    key.complete(validKey);
    Frame.Auth auth = challenged();
    relay.send(wrongKey.welcome(transcript(identity, auth), 0));
    assertFailed("impostor");
  }

  @Test
  void reflectedProofIsImpostor() {
    key.complete(validKey);
    Frame.Auth auth = challenged();
    relay.send(Frame.Welcome.of(auth.proof(), 0));
    assertFailed("impostor");
  }

  @Test
  void proofForOtherCertificateIsImpostor() throws Exception {
    key.complete(validKey);
    Frame.Auth auth = challenged();
    Transcript otherTranscript = transcript(Identity.create(RANDOM), auth);
    assertThat(validKey.verify(otherTranscript, auth)).as("valid for the real relay").isFalse();
    relay.send(validKey.welcome(otherTranscript, 0));
    assertFailed("impostor");
  }

  // --- unexpected frames ---

  @Test
  void unsupportedDataModeFails() throws Exception {
    key.complete(validKey);
    Frame.Auth auth = challenged();
    relay.send(validKey.welcome(transcript(identity, auth), 1));
    assertFailed("failed");
    assertThat(cause).hasMessage("unexpected or unsupported frame: WELCOME data mode 1");
  }

  @Test
  void unsupportedVersionFails() {
    key.complete(validKey);
    relay.send(Frame.Challenge.of(2, NONCE));
    assertThat(relay.received()).isNull();
    assertFailed("failed");
  }

  @Test
  void frameBeforeChallengeFails() throws Exception {
    for (Frame frame :
        List.of(
            Frame.Welcome.of(NONCE, 0),
            Frame.Ping.of(1),
            Frame.Dial.of(List.of()),
            Frame.GoAway.of(ReasonCode.DRAINING))) {
      RelayEnd other =
          RelayEnd.ofControl(
              identity,
              new ControlHandshake(key, RANDOM, instance, 7, SERVICE, "lab", "host:22", this));
      other.send(frame);
      assertThat(other.agent().isOpen()).as("after %s", frame).isFalse();
      assertThat(outcomes).containsExactly("failed");
      outcomes.clear();
      other.close();
    }
    relay.disconnect();
  }

  @Test
  void secondChallengeFails() {
    key.complete(validKey);
    challenged();
    relay.send(CHALLENGE);
    assertFailed("failed");
  }

  @Test
  void welcomeBeforeAuthFails() {
    relay.send(CHALLENGE);
    relay.send(Frame.Welcome.of(NONCE, 0));
    key.complete(validKey);
    relay.pump();
    assertFailed("failed");
  }

  @Test
  void malformedFrameFails() {
    relay.send(Unpooled.copyInt(0x7f000000));
    assertFailed("failed");
    assertThat(cause).isInstanceOf(ProtocolException.class);
  }

  // --- close and timeout ---

  @Test
  void closeBeforeAuthFails() {
    relay.disconnect();
    assertFailed("failed");
  }

  @Test
  void closeAfterAuthIsRefusal() {
    key.complete(validKey);
    challenged();
    relay.disconnect();
    assertFailed("refused");
  }

  @Test
  void closeDuringKeyDerivationFails() {
    relay.send(CHALLENGE);
    relay.disconnect();
    key.complete(validKey);
    relay.pump();
    assertThat(relay.received()).isNull();
    assertFailed("failed");
  }

  @Test
  void failedKeyDerivationFails() {
    key.completeExceptionally(new IllegalStateException("no PBKDF2"));
    relay.send(CHALLENGE);
    assertFailed("failed");
    assertThat(cause).hasMessage("no PBKDF2");
  }

  @Test
  void timesOutAfterTenSeconds() {
    key.complete(validKey);
    challenged();
    relay.advanceTime(9_999, TimeUnit.MILLISECONDS);
    assertThat(outcomes).isEmpty();
    relay.advanceTime(1, TimeUnit.MILLISECONDS);
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
