#include "app/explain/trace.h"

#include "app/formats/colors.h"
#include "app/formats/format.h"
#include "app/formats/jsonl.h"
#include "app/formats/text.h"
#include "engine/base/json_writer.h"

namespace weir::app {
namespace {

constexpr std::size_t kShown = 160;  // characters of a value

std::string shown(std::string_view text) {
  std::string out = "\"";
  append_printable(out, text, kShown);
  return out + "\"";
}

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::RequestHeaders: return "request headers";
    case Phase::RequestBody: return "request body";
    case Phase::ResponseHeaders: return "response headers";
    case Phase::ResponseBody: return "response body";
    case Phase::Logging: return "logging";
  }
  return "";
}

std::string_view skipped_name(rules::TraceSink::Skipped why) {
  switch (why) {
    case rules::TraceSink::Skipped::Removed: return "removed by ctl";
    case rules::TraceSink::Skipped::SkipAfter: return "jumped over by skipAfter";
    case rules::TraceSink::Skipped::Skip: return "jumped over by skip";
    case rules::TraceSink::Skipped::Prefilter: return "ruled out by the prefilter";
    case rules::TraceSink::Skipped::EngineOff: return "the engine is off";
  }
  return "";
}

bool own_variable(std::string_view target) {
  if (!target.empty() && target[0] == '&') target.remove_prefix(1);
  return target.substr(0, 3) == "TX:" || target == "TX" || target == "UNIQUE_ID";
}

void write_rule(base::JsonWriter& json, const rules::TraceSink::RuleStep& rule) {
  json.field("rule", rule.rule_id);
  json.field("link", rule.link);
  json.field("file", rule.file);
  json.field("line", rule.line);
}

}  // namespace

// --- text ---

TextStory::Rule& TextStory::rule(const RuleStep& step) {
  if (rules_.empty() || rules_.back().id != step.rule_id || rules_.back().phase_heading) {
    Rule fresh;
    fresh.id = step.rule_id;
    append_printable(fresh.place, step.file);
    fresh.place += ":" + std::to_string(step.line);
    rules_.push_back(std::move(fresh));
  }
  return rules_.back();
}

void TextStory::on_phase(Phase phase) {
  Rule heading;
  heading.phase_heading = true;
  heading.lines = painted("phase " + std::to_string(static_cast<int>(phase)) + ": " + std::string(phase_name(phase)),
                          Color::Bold, colored_) +
                  "\n";
  rules_.push_back(std::move(heading));
}

void TextStory::on_skipped(const RuleStep& step, Skipped why) {
  if (interest_.whole(step.rule_id)) rule(step).lines += "    not evaluated: " + std::string(skipped_name(why)) + "\n";
}

void TextStory::on_target_removed(const RuleStep& step, std::string_view target) {
  std::string name;
  append_printable(name, target);
  rule(step).lines += "    not looked at, taken away by ctl: " + name + "\n";
}

void TextStory::on_evaluation(const Evaluation& e) {
  Rule& one = rule(e.rule);
  if (!e.matched && !interest_.whole(e.rule.rule_id)) return;
  const bool judges = !e.op.empty() && e.op != "unconditionalmatch" && !own_variable(e.target);
  if (e.matched && judges) one.about_request = true;
  std::string line = e.matched ? "    " : "    no match: ";
  if (e.rule.link > 0) line += "and ";
  append_printable(line, e.target, kShown);
  line += " " + shown(e.value);
  if (e.transformed != e.value) line += " as " + shown(e.transformed);
  if (!e.op.empty()) {
    line += e.negated ? "  !@" : "  @";
    line += e.op;
    line += ' ';
    append_printable(line, e.argument, kShown);
  }
  one.lines += line + "\n";
}

void TextStory::on_action(const RuleStep& step, std::string_view action, std::string_view name,
                          std::string_view value) {
  std::string line = "      ";
  line += action;
  line += ' ';
  append_printable(line, name, kShown);
  if (!value.empty()) {
    line += " = ";
    append_printable(line, value, kShown);
  }
  const bool score = name.find("score") != std::string_view::npos || name.find("SCORE") != std::string_view::npos;
  rule(step).lines += (score ? painted(line, Color::Yellow, colored_) : line) + "\n";
}

void TextStory::on_match(const RuleStep& step, const Decision& decision, bool effective) {
  Rule& one = rule(step);
  one.matched = true;
  if (!decision.disruptive()) return;
  one.disruptive = true;
  one.lines += painted("      " + std::string(decision_name(decision.kind)) +
                           (decision.status != 0 ? " " + std::to_string(decision.status) : "") +
                           (effective ? "" : " (not carried out)"),
                       Color::Red, colored_) +
               "\n";
}

std::string TextStory::told(const Event& event) const {
  std::set<std::uint64_t> logged;
  for (const RuleHit& hit : event.waf.rules) logged.insert(hit.id);
  std::string out;
  for (const Rule& one : rules_) {
    if (one.phase_heading) {
      out += one.lines;
      continue;
    }
    if (!interest_.wants(one.id)) continue;
    const bool tell = interest_.whole(one.id) || (one.matched && (logged.count(one.id) != 0 || one.disruptive || one.about_request));
    if (!tell) continue;
    out += "  rule " + painted(std::to_string(one.id), one.matched ? Color::Bold : Color::Dim, colored_);
    for (const RuleHit& hit : event.waf.rules) {
      if (hit.id != one.id || hit.message.empty()) continue;
      out += "  ";
      append_printable(out, hit.message);
      break;
    }
    out += painted("  " + one.place, Color::Dim, colored_) + "\n" + one.lines;
  }
  out += painted("result", Color::Bold, colored_) + ": " + std::string(decision_name(event.waf.decision));
  if (event.waf.status != 0) out += " " + std::to_string(event.waf.status);
  if (event.waf.decision_rule != 0) out += " by rule " + std::to_string(event.waf.decision_rule);
  out += "; score inbound " + std::to_string(event.waf.inbound_score) + ", outbound " +
         std::to_string(event.waf.outbound_score) + "\n";
  for (const std::string_view violation : event.waf.violations) {
    out += "violation of HTTP's grammar: " + std::string(violation) + "\n";
  }
  return out;
}

// --- JSON ---

void JsonStory::on_phase(Phase phase) {
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "phase");
  json.field("phase", static_cast<int>(phase));
  json.end_object();
  text_ += '\n';
}

void JsonStory::on_skipped(const RuleStep& rule, Skipped why) {
  if (!interest_.whole(rule.rule_id) || !interest_.wants(rule.rule_id)) return;
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "skipped");
  write_rule(json, rule);
  json.field("why", skipped_name(why));
  json.end_object();
  text_ += '\n';
}

void JsonStory::on_target_removed(const RuleStep& rule, std::string_view target) {
  if (!interest_.wants(rule.rule_id)) return;
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "target_removed");
  write_rule(json, rule);
  json.field("target", target);
  json.end_object();
  text_ += '\n';
}

void JsonStory::on_evaluation(const Evaluation& e) {
  if (!interest_.wants(e.rule.rule_id) || (!e.matched && !interest_.whole(e.rule.rule_id))) return;
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "evaluation");
  write_rule(json, e.rule);
  json.field("target", e.target);
  json.key("value");
  json.text_or_bytes(e.value, JsonlFormat::kValueLimit);
  json.key("transformed");
  json.text_or_bytes(e.transformed, JsonlFormat::kValueLimit);
  json.field("operator", e.op);
  json.field("argument", e.argument);
  json.field("negated", e.negated);
  json.field("matched", e.matched);
  json.end_object();
  text_ += '\n';
}

void JsonStory::on_action(const RuleStep& rule, std::string_view action, std::string_view name,
                          std::string_view value) {
  if (!interest_.wants(rule.rule_id)) return;
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "action");
  write_rule(json, rule);
  json.field("action", action);
  json.field("name", name);
  json.field("value", value);
  json.end_object();
  text_ += '\n';
}

void JsonStory::on_match(const RuleStep& rule, const Decision& decision, bool effective) {
  if (!interest_.wants(rule.rule_id)) return;
  base::JsonWriter json(text_);
  json.begin_object();
  json.field("step", "match");
  write_rule(json, rule);
  json.field("decision", decision_name(decision.kind));
  if (decision.status != 0) json.field("status", decision.status);
  json.field("effective", effective);
  json.end_object();
  text_ += '\n';
}

std::string JsonStory::told(const Event& event, std::string_view capture) const {
  std::string out = text_;
  JsonlFormat().append(event, {capture}, out);
  return out;
}

}  // namespace weir::app
