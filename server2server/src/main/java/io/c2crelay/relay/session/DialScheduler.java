package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.relay.address.AgentAddresses;
import io.netty.util.concurrent.EventExecutor;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Issues tokens to agents: one for each waiting user, plus the deficits of the warm pools. Tokens
 * are counted, not tied to users. Runs on the dispatcher's loop.
 */
final class DialScheduler {
  /** A token not used within this time is considered stale, so another agent is dialled too. */
  private static final long TOKEN_STALE_SECONDS = 3;

  private static final long TOKEN_VALID_SECONDS = 30;

  /** A token sent to an agent and not yet used. */
  static final class OutstandingToken {
    final AttachedAgent agent;
    final Token ack;
    private final Dispatcher dispatcher;
    private boolean stale;

    OutstandingToken(Dispatcher dispatcher, AttachedAgent agent, Token ack) {
      this.dispatcher = dispatcher;
      this.agent = agent;
      this.ack = ack;
    }

    Dispatcher dispatcher() {
      return dispatcher;
    }
  }

  private final Dispatcher dispatcher;
  private final EventExecutor loop;
  private final Dispatchers shared;
  private final AgentAddresses addresses;
  private final SecureRandom random;
  private final Map<Token, OutstandingToken> issued;
  private final Collection<AttachedAgent> agents;
  private final UserQueue queue;
  private boolean replenishing;
  private boolean replenishingLater;
  private boolean stopped;

  /**
   * @param agents a live view of the attached agents
   * @param queue the waiting users
   */
  DialScheduler(
      Dispatcher dispatcher,
      Dispatchers shared,
      Collection<AttachedAgent> agents,
      UserQueue queue) {
    this.dispatcher = dispatcher;
    loop = shared.loop();
    this.shared = shared;
    addresses = shared.addresses();
    random = shared.random();
    issued = shared.tokens();
    this.agents = agents;
    this.queue = queue;
  }

  /** Redeems an outstanding token. */
  OutstandingToken redeem(Token token) {
    OutstandingToken used = requireNonNull(issued.remove(token));
    tokenGone(used);
    used.agent.dialWorked();
    return used;
  }

  /**
   * An agent reported a failed dial.
   *
   * @return whether the token was issued to that agent
   */
  boolean failed(AgentLink link, Token token) {
    OutstandingToken failed = issued.get(token);
    if (failed == null || failed.agent.link != link) {
      return false;
    }
    issued.remove(token);
    tokenGone(failed);
    failed.agent.dialFailed(now());
    delayRefill(failed.agent);
    replenish();
    return true;
  }

  /** Invalidates an agent's tokens. */
  void forget(AttachedAgent agent) {
    issued
        .values()
        .removeIf(
            token -> {
              if (token.agent == agent) {
                tokenGone(token);
              }
              return token.agent == agent;
            });
  }

  /** Stops issuing tokens. */
  void stop() {
    stopped = true;
  }

  /** Issues the missing tokens soon, once for all changes until then. */
  void replenish() {
    if (!replenishing) {
      replenishing = true;
      loop.execute(
          () -> {
            replenishing = false;
            dialMissing();
          });
    }
  }

  private void replenishLater() {
    if (!replenishingLater) {
      replenishingLater = true;
      loop.schedule(
          () -> {
            replenishingLater = false;
            replenish();
          },
          AttachedAgent.RETURN_NANOS,
          TimeUnit.NANOSECONDS);
    }
  }

  private void dialMissing() {
    if (stopped) {
      return;
    }
    Map<AttachedAgent, Integer> dials = new HashMap<>();
    dialForUsers(dials);
    dialForPools(dials);
    dials.forEach(this::dial);
  }

  /** Adds a dial for each waiting user that no live token covers. */
  private void dialForUsers(Map<AttachedAgent, Integer> dials) {
    int wanted = queue.size();
    for (AttachedAgent agent : agents) {
      wanted -= liveTokens(agent);
    }
    for (QueuedUser user : queue.first()) {
      if (wanted > 0) {
        dialFor(user.excludedAgents(), dials);
        wanted--; // even if no agent is left for it now: a dial to an excluded agent would not help
      }
    }
    while (wanted > 0 && dialFor(Collections.emptySet(), dials)) {
      wanted--;
    }
  }

  private boolean dialFor(Set<AttachedAgent> excluded, Map<AttachedAgent, Integer> dials) {
    AttachedAgent agent = chooseDial(excluded, dials);
    if (agent != null) {
      dials.merge(agent, 1, Integer::sum);
    }
    return agent != null;
  }

  /** Adds dials for the deficits of the pools, besides the connections that users will take. */
  private void dialForPools(Map<AttachedAgent, Integer> dials) {
    int forUsers = queue.size();
    int pool = shared.settings().pool();
    for (AttachedAgent agent : agents) {
      if (agent.awaitsReturn(pool, now())) {
        replenishLater();
      }
      int taken = Math.min(liveTokens(agent), forUsers);
      forUsers -= taken;
      int deficit = agent.deficit(pool, now()) - (liveTokens(agent) - taken);
      int room = RelayProtocol.MAX_TOKENS - agent.tokens - dials.getOrDefault(agent, 0);
      if (deficit > 0 && room > 0) {
        dials.merge(agent, Math.min(deficit, room), Integer::sum);
      }
    }
  }

  /**
   * The tokens of an agent that are expected to become connections. Stale ones count only if there
   * is no other agent.
   */
  private int liveTokens(AttachedAgent agent) {
    if (!agent.takesSessions(now())) {
      return 0;
    }
    return agents.size() == 1 ? agent.tokens : agent.tokens - agent.staleTokens;
  }

  private @Nullable AttachedAgent chooseDial(
      Set<AttachedAgent> excluded, Map<AttachedAgent, Integer> dials) {
    AttachedAgent best = null;
    for (AttachedAgent agent : agents) {
      if (!excluded.contains(agent)
          && agent.takesDials(now())
          && agent.tokens + dials.getOrDefault(agent, 0) < RelayProtocol.MAX_TOKENS
          && (best == null || load(agent, dials) < load(best, dials))) {
        best = agent;
      }
    }
    return best;
  }

  /**
   * The agent's current and expected sessions. Stale tokens and ejection add to the result, so that
   * such an agent comes last.
   */
  private int load(AttachedAgent agent, Map<AttachedAgent, Integer> dials) {
    int faults = agent.staleTokens + (agent.isEjected(now()) ? 1 : 0);
    return agent.load.sessions
        + agent.tokens
        + dials.getOrDefault(agent, 0)
        + faults * RelayProtocol.MAX_TOKENS;
  }

  private void dial(AttachedAgent agent, int count) {
    List<Token> tokens = new ArrayList<>(count);
    List<Frame.Dial.DialRequest> dialRequests = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Token token = Token.random(random);
      Token ack = Token.random(random);
      issued.put(token, new OutstandingToken(dispatcher, agent, ack));
      tokens.add(token);
      dialRequests.add(Frame.Dial.DialRequest.of(token, ack));
    }
    agent.tokens += count;
    addresses.tokens(agent.link.network(), count);
    for (int from = 0; from < count; from += RelayProtocol.MAX_DIALS_PER_FRAME) {
      int to = Math.min(count, from + RelayProtocol.MAX_DIALS_PER_FRAME);
      agent.link.dial(dialRequests.subList(from, to));
    }
    loop.schedule(() -> markStale(tokens), TOKEN_STALE_SECONDS, TimeUnit.SECONDS);
    loop.schedule(() -> expire(tokens), TOKEN_VALID_SECONDS, TimeUnit.SECONDS);
  }

  private void markStale(Collection<Token> tokens) {
    for (Token token : tokens) {
      OutstandingToken old = issued.get(token);
      if (old != null && !old.stale) {
        old.stale = true;
        old.agent.staleTokens++;
        replenish();
      }
    }
  }

  private void expire(Collection<Token> tokens) {
    for (Token token : tokens) {
      OutstandingToken expired = issued.remove(token);
      if (expired != null) {
        tokenGone(expired);
        delayRefill(expired.agent);
      }
    }
  }

  private void tokenGone(OutstandingToken token) {
    token.agent.tokens--;
    if (token.stale) {
      token.agent.staleTokens--;
    }
    addresses.tokens(token.agent.link.network(), -1);
  }

  void delayRefill(AttachedAgent agent) {
    long delayNanos = agent.delayRefill(now());
    if (delayNanos > 0) {
      loop.schedule(this::replenish, delayNanos, TimeUnit.NANOSECONDS);
    }
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
