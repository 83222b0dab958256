package io.c2crelay.it.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.icegreen.greenmail.util.GreenMail;
import com.icegreen.greenmail.util.ServerSetup;
import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Harness;
import io.c2crelay.it.support.Pair;
import jakarta.activation.DataHandler;
import jakarta.mail.Message.RecipientType;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import jakarta.mail.util.ByteArrayDataSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** SMTP: the server sends first. */
@Tag("full")
@Timeout(60)
class SmtpIT {

  @RegisterExtension static final Harness SHARED = Harness.perClass();
  @RegisterExtension final Harness harness = Harness.perTest();

  private static GreenMail mail;
  private static PlacedPairs pairs;

  @BeforeAll
  static void start() {
    mail = new GreenMail(new ServerSetup(0, "127.0.0.1", ServerSetup.PROTOCOL_SMTP));
    mail.start();
    pairs = PlacedPairs.start(SHARED, mail.getSmtp().getPort());
  }

  @AfterAll
  static void end() {
    mail.stop();
    pairs.check();
  }

  @AfterEach
  void purgeMailboxes() throws Exception {
    mail.purgeEmailFromAllMailboxes();
  }

  @ParameterizedTest
  @EnumSource
  void mailsOnOneConnectionArriveUnchanged(Placement placement) throws Exception {
    Pair pair = pairs.at(placement);
    int mark = pair.relay().mark();
    Session session = session(pair);
    MimeMessage[] sent = new MimeMessage[3];
    for (int i = 0; i < sent.length; i++) {
      sent[i] = message(session, "mail " + i, Bulk.bytes(i, 1_000_000));
    }
    send(session, sent);
    MimeMessage[] received = mail.getReceivedMessages();
    assertThat(received).hasSameSizeAs(sent);
    for (int i = 0; i < sent.length; i++) {
      assertThat(received[i].getSubject()).isEqualTo("mail " + i);
      assertThat(attachmentOf(received[i])).isEqualTo(Bulk.bytes(i, 1_000_000));
    }
    PlacedPairs.assertSessions(pair, mark, 1);
  }

  /** From an agent's address, each silent user may be a data connection with a late preamble. */
  @ParameterizedTest
  @EnumSource
  void thirtyConcurrentClients(Placement placement) throws Exception {
    sendFromThirtyClients(pairs.at(placement));
  }

  @Test
  void thirtyConcurrentClientsWithoutWarmConnections() throws Exception {
    Pair pair = Placement.SAME_ADDRESS.start(harness, mail.getSmtp().getPort(), "--pool", "0");
    sendFromThirtyClients(pair);
    pair.relay().awaitCounts(Duration.ofSeconds(10), "sessions=0", "waiting=0", "tokens=0");
  }

  private static void sendFromThirtyClients(Pair pair) throws Exception {
    Session session = session(pair);
    List<String> subjects = new ArrayList<>();
    List<Async<Void>> clients = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      String subject = "client " + i;
      subjects.add(subject);
      clients.add(
          Async.run(
              () -> {
                send(session, message(session, subject, subject.getBytes(UTF_8)));
                return null;
              }));
    }
    for (Async<Void> client : clients) {
      client.get(Duration.ofSeconds(20));
    }
    List<String> received = new ArrayList<>();
    for (MimeMessage message : mail.getReceivedMessages()) {
      received.add(message.getSubject());
    }
    assertThat(received).containsExactlyInAnyOrderElementsOf(subjects);
  }

  /** Sends all messages on one connection. */
  private static void send(Session session, MimeMessage... messages) throws MessagingException {
    try (Transport transport = session.getTransport()) {
      transport.connect();
      for (MimeMessage message : messages) {
        transport.sendMessage(message, message.getAllRecipients());
      }
    }
  }

  private static Session session(Pair pair) {
    Properties settings = new Properties();
    settings.setProperty("mail.transport.protocol", "smtp");
    settings.setProperty("mail.smtp.host", "127.0.0.1");
    settings.setProperty("mail.smtp.port", Integer.toString(pair.port()));
    settings.setProperty("mail.smtp.connectiontimeout", "10000");
    settings.setProperty("mail.smtp.timeout", "20000");
    return Session.getInstance(settings);
  }

  private static MimeMessage message(Session session, String subject, byte[] attachment)
      throws MessagingException {
    MimeBodyPart text = new MimeBodyPart();
    text.setText("See the attachment.\n.\n..\n");
    MimeBodyPart bytes = new MimeBodyPart();
    bytes.setDataHandler(
        new DataHandler(new ByteArrayDataSource(attachment, "application/octet-stream")));
    MimeMessage message = new MimeMessage(session);
    message.setFrom("user@example.org");
    message.setRecipients(RecipientType.TO, "target@example.org");
    message.setSubject(subject);
    message.setContent(new MimeMultipart(text, bytes));
    return message;
  }

  private static byte[] attachmentOf(MimeMessage message) throws Exception {
    return ((MimeMultipart) message.getContent()).getBodyPart(1).getInputStream().readAllBytes();
  }
}
