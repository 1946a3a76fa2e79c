// Variables that change while rules run: matches, times, identities. Times are UTC: nothing below app/
// knows a time zone.

#include <array>
#include <chrono>

#include "rules/variables.h"

namespace weir::rules {

namespace {

struct Civil {
  int year, month, day, weekday, hour, minute, second;
};

Civil civil(Timestamp t) {
  namespace sc = std::chrono;
  const auto s = sc::floor<sc::seconds>(sc::sys_time<sc::nanoseconds>(sc::nanoseconds(t.ns)));
  const auto day = sc::floor<sc::days>(s);
  const sc::year_month_day ymd(day);
  const sc::hh_mm_ss<sc::seconds> time(s - day);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day())),
          static_cast<int>(sc::weekday(day).c_encoding()),
          static_cast<int>(time.hours().count()),
          static_cast<int>(time.minutes().count()),
          static_cast<int>(time.seconds().count())};
}

std::string_view two(TransactionState& tx, int n) {
  return tx.join({n < 10 ? "0" : "", tx.number(n)});
}

std::optional<std::string_view> time_scalar(TransactionState& tx, Variable v) {
  const Civil c = civil(tx.now);
  switch (v) {
    case Variable::TIME:
      return tx.join({two(tx, c.hour), ":", two(tx, c.minute), ":", two(tx, c.second)});
    case Variable::TIME_YEAR: return tx.number(c.year);
    case Variable::TIME_MON: return two(tx, c.month);
    case Variable::TIME_DAY: return two(tx, c.day);
    case Variable::TIME_WDAY: return tx.number(c.weekday);
    case Variable::TIME_HOUR: return two(tx, c.hour);
    case Variable::TIME_MIN: return two(tx, c.minute);
    case Variable::TIME_SEC: return two(tx, c.second);
    case Variable::TIME_EPOCH: return tx.number(tx.now.ns / 1'000'000'000);
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::string_view> moment_scalar(TransactionState& tx, Variable v) {
  switch (v) {
    case Variable::MATCHED_VAR: return tx.matched_var.value;
    case Variable::MATCHED_VAR_NAME: return tx.matched_var.name;
    case Variable::HIGHEST_SEVERITY: return tx.number(tx.highest_severity);
    case Variable::DURATION:  // microseconds, as ModSecurity 2 has it
      return tx.number((tx.now - tx.started).ns / (tx.program->v3() ? 1'000'000 : 1'000));
    case Variable::MSC_PCRE_ERROR:
    case Variable::MSC_PCRE_LIMITS_EXCEEDED:
      return std::string_view(tx.pcre_limits_exceeded ? "1" : "0");
    case Variable::SESSIONID:
      if (tx.session_id.empty()) return std::nullopt;
      return tx.session_id;
    case Variable::USERID:
      if (tx.user_id.empty()) return std::nullopt;
      return tx.user_id;
    case Variable::SDBM_DELETE_ERROR: return std::string_view("0");
    default: return time_scalar(tx, v);
  }
}

}  // namespace weir::rules
